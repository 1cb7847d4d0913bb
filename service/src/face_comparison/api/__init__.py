"""The shape of every response, defined once.

The service encodes these types, the OpenAPI document describes them, and the client decodes them. A new response field
is therefore one line in `responses.py`, plus the line in `wire/responses.py` that fills it in.
"""
