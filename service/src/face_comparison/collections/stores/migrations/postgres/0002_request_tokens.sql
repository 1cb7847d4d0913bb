-- Requests that a client may repeat, for a day: keyed digests of their token and of their parameters.
CREATE TABLE request_token (token bytea PRIMARY KEY, parameters bytea NOT NULL, created timestamptz NOT NULL);
