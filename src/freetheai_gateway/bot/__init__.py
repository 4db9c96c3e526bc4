"""The Discord side of the key desk: payloads, commands, forms and messages. No SQL and no HTTP server.

Sources: Discord's developer documentation of interactions, components, modals and message limits, API version 10.
"""
