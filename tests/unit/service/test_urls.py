"""URLs taken apart: what is understood, what is refused, and that refusals repeat nothing secret."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from face_comparison.errors import UrlNotAllowed
from face_comparison.fetching.urls import MAX_LENGTH, HttpUrl, S3Url, parse, parse_s3, resolve_redirect


def http(url: str) -> HttpUrl:
    parsed = parse(url)
    assert isinstance(parsed, HttpUrl)
    return parsed


@pytest.mark.parametrize(
    ("url", "scheme", "authority", "target"),
    [
        ("http://example.com", "http", "example.com", "/"),
        ("HTTPS://Example.COM/a.jpg", "https", "example.com", "/a.jpg"),
        ("  https://example.com/a.jpg\n", "https", "example.com", "/a.jpg"),
        ("http://example.com:80/", "http", "example.com", "/"),
        ("http://example.com:/", "http", "example.com", "/"),
        ("http://example.com:443/", "http", "example.com:443", "/"),
        ("https://example.com:8443/", "https", "example.com:8443", "/"),
        ("http://example.com?x=1", "http", "example.com", "/?x=1"),
        ("http://example.com/a?x=1&y=%2F#part", "http", "example.com", "/a?x=1&y=%2F"),
        ("http://example.com/two words.jpg", "http", "example.com", "/two%20words.jpg"),
        ("http://example.com/grüße?q=ä", "http", "example.com", "/gr%C3%BC%C3%9Fe?q=%C3%A4"),
        ('http://example.com/<">\\^`{|}', "http", "example.com", "/%3C%22%3E%5C%5E%60%7B%7C%7D"),
        ("http://bücher.example/", "http", "xn--bcher-kva.example", "/"),
        ("http://xn--bcher-kva.example/", "http", "xn--bcher-kva.example", "/"),
        ("http://my_service:9000/x", "http", "my_service:9000", "/x"),
        ("http://[2606:2800:0::1]/x", "http", "[2606:2800::1]", "/x"),
        ("http://[2606:2800::1]:81/x", "http", "[2606:2800::1]:81", "/x"),
        ("http://0x7f.1/", "http", "0x7f.1", "/"),
    ],
)
def test_parses_http_url(url: str, scheme: str, authority: str, target: str) -> None:
    parsed = http(url)
    assert (parsed.scheme, parsed.authority, parsed.target) == (scheme, authority, target)


def test_trailing_dot_is_sent_to_resolver_only() -> None:
    parsed = http("http://Example.com.:8080/")
    assert (parsed.host, parsed.lookup, parsed.authority) == ("example.com", "example.com.", "example.com:8080")


def test_unicode_digits_are_normalized() -> None:
    assert http("http://１２７。０。０。１/").host == "127.0.0.1"  # noqa: RUF001


@pytest.mark.parametrize(
    "url",
    [
        "",
        "image.jpg",
        "//example.com/a.jpg",
        "/etc/passwd",
        "file:///etc/passwd",
        "ftp://example.com/a.jpg",
        "gopher://example.com/",
        "data:image/png;base64,AAAA",
        "javascript:alert(1)",
        "unix:///run/containerd.sock",
        "http+unix://socket/",
        "http:/example.com/",
        "http:///a.jpg",
        "http://",
        "http://:80/",
        "http://example.com:0/",
        "http://example.com:65536/",
        "http://example.com:-1/",
        "http://example.com:8x/",
        "http://example.com:80:80/",
        "http://user@example.com/",
        "http://user:secret@example.com/",
        "http://@example.com/",
        "http://example.com\\@evil.example/",
        "http://example.com\\.evil.example/",
        "http://a b.example/",
        "http://a%2eb.example/",
        "http://a..b/",
        "http://.example.com/",
        "http://example.com../",
        f"http://{'a' * 64}.example/",
        f"http://{'a.' * 127}aa/",
        "http://exa\tmple.com/",
        "http://example.com/\r\nX-Header:1",
        "http://example.com/\x00",
        "http://☃️\u202e.example/",
        "http://[::1/",
        "http://::1/",
        "http://[::1]evil.example/",
        "http://[fe80::1%25eth0]/",
        "http://[fe80::1%eth0]/",
        "http://[v1.x]/",
        "http://[127.0.0.1]/",
        "http://exa℀mple.com/",
        "http://example.com/" + "a" * MAX_LENGTH,
    ],
)
def test_invalid_urls_are_rejected(url: str) -> None:
    with pytest.raises(UrlNotAllowed):
        parse(url)


@settings(deadline=None)
@given(st.text() | st.text(alphabet="htps:/@[]%.?#\\0123456789abcdef \t\r\n").map(lambda rest: "http://" + rest))
def test_arbitrary_text_is_parsed_or_rejected(text: str) -> None:
    try:
        parsed = parse(text)
    except UrlNotAllowed:
        return
    if isinstance(parsed, HttpUrl):
        assert parsed.host.isascii()
        assert parsed.target.isascii()
        assert not set(parsed.authority + parsed.target) & set(" \r\n\t\0\\@") - {"@"}
        assert "@" not in parsed.authority
        # What was understood once is understood the same again: this is what a redirect is resolved against.
        assert http(parsed.text).authority == parsed.authority
        assert http(parsed.text).target == parsed.target


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("/b.jpg", "https://example.com:8443/b.jpg"),
        ("b.jpg?x=1", "https://example.com:8443/dir/b.jpg?x=1"),
        ("../b.jpg", "https://example.com:8443/b.jpg"),
        ("//other.example/b.jpg", "https://other.example/b.jpg"),
        ("http://other.example/b.jpg", "http://other.example/b.jpg"),
        ("?y=2", "https://example.com:8443/dir/a.jpg?y=2"),
        ("", "https://example.com:8443/dir/a.jpg?x=0"),
    ],
)
def test_redirect_targets_are_resolved(location: str, expected: str) -> None:
    assert resolve_redirect(http("https://example.com:8443/dir/a.jpg?x=0"), location).text == expected


@pytest.mark.parametrize(
    "location",
    [
        "s3://bucket/key",
        "file:///etc/passwd",
        "ftp://example.com/",
        "data:,x",
        "http://user@host/",
        "http://[::1/",
        "//[",
    ],
)
def test_forbidden_redirects_are_rejected(location: str) -> None:
    with pytest.raises(UrlNotAllowed):
        resolve_redirect(http("http://example.com/"), location)


@pytest.mark.parametrize(
    "url",
    [
        "http://user:SECRET@example.com/",
        "http://example.com:99999/?token=SECRET",
        "ftp://example.com/?token=SECRET",
        "http://exa mple.com/?token=SECRET",
        "s3://b/SECRET",
        "s3://bucket/../SECRET",
        "http://example.com/\nSECRET",
    ],
)
def test_rejection_does_not_quote_url(url: str) -> None:
    with pytest.raises(UrlNotAllowed) as refused:
        parse(url)
    assert "SECRET" not in refused.value.message
    assert "example" not in refused.value.message


@pytest.mark.parametrize(
    ("url", "bucket", "key"),
    [
        ("s3://bucket/key", "bucket", "key"),
        ("S3://bucket/a/b c/ä.jpg", "bucket", "a/b c/ä.jpg"),
        ("s3://my-bucket.example/a?b#c%20d", "my-bucket.example", "a?b#c%20d"),
        ("s3://bucket//double//slash", "bucket", "/double//slash"),
        ("s3://bucket/..a/b../...", "bucket", "..a/b../..."),
        ("s3://bucket/", "bucket", ""),
        ("s3://bucket", "bucket", ""),
    ],
)
def test_parses_s3_url(url: str, bucket: str, key: str) -> None:
    assert parse(url) == S3Url(bucket, key)


@pytest.mark.parametrize(
    "url",
    [
        "s3://",
        "s3:///key",
        "s3://b/key",
        "s3://bucket?x/key",
        "s3://user@bucket/key",
        "s3://bucket:9000/key",
        "s3://arn:aws:s3:eu-west-1:123456789012:accesspoint/name/key",
        "s3://-bucket/key",
        "s3://bucket/../other/key",
        "s3://bucket/a/../../other/key",
        "s3://bucket/./key",
        "s3://bucket/a\\..\\..\\other",
        "s3://bucket/..",
        "s3://bucket/" + "ä" * 513,
    ],
)
def test_invalid_s3_urls_are_rejected(url: str) -> None:
    with pytest.raises(UrlNotAllowed):
        parse(url)


def test_prefix_must_be_s3_url() -> None:
    with pytest.raises(UrlNotAllowed):
        parse_s3("http://bucket/key")
