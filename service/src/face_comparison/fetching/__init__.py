"""Fetches images from http, https and s3 URLs, guarded against server-side request forgery."""
