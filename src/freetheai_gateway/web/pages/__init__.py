"""The web pages: what people see in a browser, rendered on the server and usable without JavaScript."""
