"""The admin API below `/admin/api`: accounts, keys, usage, limits, upstreams, reload, audit.

gate         who may: the holder of the token, and how often a wrong one may be tried
table        the routes: method, path, body, what is answered
endpoint     the one handler: gate, route, query, body, answer; errors of the services become those of the API
bodies       what is sent, as structs
answers      what is answered, as structs; the document is made of them, and the tests read every answer by them
accounts     accounts and keys
operations   usage, requests, limits, upstreams, catalogue, reload, audit
document     the OpenAPI document
"""
