"""`GET /v1/openapi.json`: the API as an OpenAPI 3.1 document, written by hand in the JSON files of this folder."""
