"""From an address to a store."""

import re
from datetime import timedelta
from functools import cache
from pathlib import Path
from urllib.parse import unquote

import obstore.store

from pond.errors import AccessDenied, InvalidArgument
from pond.store._file import FileStore
from pond.store._object import ClientStore, RetryPolicy
from pond.store._protocol import ObjectStore

_SCHEME = re.compile(r"^([a-zA-Z][a-zA-Z0-9+.-]*)://")
_BUCKET = re.compile(r"^[a-zA-Z0-9][a-zA-Z0-9._-]{1,254}$")
_CONNECT_TIMEOUT = "5s"
_READ_TIMEOUT = "10s"
_CREDENTIALS_TTL = timedelta(minutes=14)
"""obstore asks again five minutes before that; boto3 renews what has less than ten left: no token is used expired."""


def open_store(url: str, *, retry: RetryPolicy | None = None) -> ObjectStore:
    """Return the store at an address.

    Parameters
    ----------
    url
        ``s3://bucket/prefix``, ``file:///path``, a bare path, or ``memory://name`` (lives as long as the process).
    retry
        How reads are retried; eight attempts over about ten seconds unless told.

    Raises
    ------
    InvalidArgument
        The address cannot be read.
    AccessDenied
        boto3's chain finds half a set of credentials, or a profile that does not exist.
    """
    match = _SCHEME.match(url)
    if match is None:
        return FileStore(Path(url).absolute())
    scheme = match[1].lower()
    host, slash, path = url[match.end() :].partition("/")  # to its end: a key may hold "#" and "?"
    prefix = path.strip("/")
    if scheme == "file":
        if host not in ("", "localhost") or not slash or "%00" in path:
            raise InvalidArgument(f"{url}: a file URL looks like file:///path/to/volume")
        return FileStore(Path(unquote(f"/{path}")))
    if scheme == "memory":
        prefix = f"{host}/{path}".strip("/")
        client = _memory()
        return ClientStore(url, f"{prefix}/" if prefix else "", client, client, retry=retry)
    if scheme == "s3":
        if not _BUCKET.match(host):
            raise InvalidArgument(f"{url}: an S3 URL looks like s3://bucket/prefix")
        reader, writer = _s3_clients(host)
        return ClientStore(
            f"s3://{host}/{prefix}".rstrip("/"), f"{prefix}/" if prefix else "", reader, writer, retry=retry
        )
    raise InvalidArgument(f"{url}: unknown scheme {scheme}://; use s3://, file://, memory:// or a path")


@cache
def _memory() -> obstore.store.MemoryStore:
    return obstore.store.MemoryStore()


def _s3_clients(bucket: str) -> tuple[obstore.store.S3Store, obstore.store.S3Store]:
    """Return clients for reading (no retries of their own) and writing.

    Credentials, profile, region and endpoint come from boto3's chain; without credentials requests are not signed.
    """
    import boto3  # takes a quarter of a second: only where S3 is used
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError
    from obstore.auth.boto3 import Boto3CredentialProvider

    try:
        session = boto3.Session()
        signed = session.get_credentials() is not None
        region = session.region_name or "us-east-1"
        endpoint = session.client(
            "s3", region_name=region, config=Config(signature_version="s3v4")
        ).meta.endpoint_url
        provider = Boto3CredentialProvider(session, ttl=_CREDENTIALS_TTL) if signed else None
    except (BotoCoreError, ValueError) as error:
        raise AccessDenied(f"AWS configuration: {error}") from error

    def client(max_retries: int) -> obstore.store.S3Store:
        return obstore.store.S3Store(
            bucket,
            endpoint=endpoint,
            region=region,
            credential_provider=provider,
            skip_signature=not signed,
            virtual_hosted_style_request=False,
            client_options={
                "allow_http": endpoint.startswith("http://"),
                "connect_timeout": _CONNECT_TIMEOUT,
                "read_timeout": _READ_TIMEOUT,
                "timeout": "300s",
                "http1_only": True,
                "pool_max_idle_per_host": "64",
            },
            retry_config={"max_retries": max_retries},
        )

    return client(0), client(6)
