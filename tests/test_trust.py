"""Contexts for connections to servers."""

import asyncio
import ssl
from pathlib import Path

import pytest

from broker.http_client.trust import TrustStore, client_context
from certificates import self_signed


def store(ca_file: str | None = None) -> TrustStore:
    return TrustStore(ca_file, lambda _: None)


async def test_clients_without_ca_file_share_one_context() -> None:
    contexts = await asyncio.gather(*(store().context() for _ in range(4)))
    assert len(set(contexts)) == 1


async def test_ca_file_leaves_the_shared_context_alone(tmp_path: Path) -> None:
    before = (await store().context()).cert_store_stats()
    ca_file, _ = self_signed(tmp_path)
    assert (await store(str(ca_file)).context()).cert_store_stats()["x509"] == before["x509"] + 1
    assert (await store().context()).cert_store_stats() == before


@pytest.mark.parametrize("with_file", [False, True])
async def test_every_context_verifies_chain_and_alternative_names(tmp_path: Path, *, with_file: bool) -> None:
    ca_file, _ = self_signed(tmp_path)
    context = await store(str(ca_file) if with_file else None).context()
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname
    assert not context.hostname_checks_common_name


def test_empty_bundle_is_an_error() -> None:
    with pytest.raises((ssl.SSLError, ValueError)):
        client_context(b"")
