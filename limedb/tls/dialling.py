"""How to open channels to addresses from users: without or with TLS.

It owns gRPC's credentials for clients. It must never judge a certificate: gRPC does.
"""

import grpc

from limedb.tls.bearer import with_token
from limedb.tls.target import Shown, Target

Options = tuple[tuple[str, int], ...]


def open_channel(target: Target, options: Options) -> grpc.Channel:
    """A channel for calls that block, which show the target's token. ConfigError: a file of its TLS can't be
    read.
    """
    if target.tls is None:
        channel = grpc.insecure_channel(target.address, options)
    else:
        channel = grpc.secure_channel(target.address, _credentials(target.tls.read()), options)
    return with_token(channel, target.token)


def open_aio_channel(target: Target, options: Options, shown: Shown | None = None) -> grpc.aio.Channel:
    """The same for asyncio. shown: the contents of the files; None: read them."""
    if target.tls is None:
        channel = grpc.aio.insecure_channel(target.address, options)
    else:
        credentials = _credentials(shown or target.tls.read())
        channel = grpc.aio.secure_channel(target.address, credentials, options)
    return with_token(channel, target.token)


def _credentials(shown: Shown) -> grpc.ChannelCredentials:
    return grpc.ssl_channel_credentials(shown.ca, shown.key, shown.cert)
