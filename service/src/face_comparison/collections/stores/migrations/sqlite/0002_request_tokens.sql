-- Requests that a client may repeat, for a day: keyed digests of their token and of their parameters.
CREATE TABLE request_token (token BLOB PRIMARY KEY, parameters BLOB NOT NULL, created REAL NOT NULL);
