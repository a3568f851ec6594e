"""The files that an Elasticsearch node boots from. Pure."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime

from scalelab.model import Place

_LOG = """\
status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = [%d{ISO8601}][%-5p][%c{1.}] %.-2000m%n
rootLogger.level = info
rootLogger.appenderRef.console.ref = console
logger.deprecation.name = org.elasticsearch.deprecation
logger.deprecation.level = error
"""
_MIB = 1024**2
# Watermarks: of a disk that is not full, but as full as a laptop's. The defaults are shares, and
# 85% of a large disk leave more than all labs together want.
_WATERMARKS = {"low": 1000, "high": 500, "flood_stage": 250}


def files(place: Place, cluster: Sequence[Place]) -> dict[str, str]:
    """Content by file name.

    Parameters
    ----------
    cluster : every Elasticsearch node of the same cluster, this one among them.
    """
    found = {
        # YAML is a superset of JSON, whose strings need no care.
        "elasticsearch.yml": json.dumps(_settings(place, cluster), indent=1) + "\n",
        "log4j2.properties": _LOG,
        "users": f"lab:{_hash(place.password)}\n",
        "users_roles": "superuser:lab\n",
    }
    if len(cluster) > 1:
        found["node.key"], found["node.crt"] = _certificate(place.password)
    return found


def _settings(place: Place, cluster: Sequence[Place]) -> dict[str, str | int | bool | list[str]]:
    assert place.control is not None
    alone = len(cluster) == 1
    scale = 1.0
    if place.budget.disk is not None:
        scale = min(1.0, place.budget.disk / (8 * _WATERMARKS["low"] * _MIB))
    settings: dict[str, str | int | bool | list[str]] = {
        "cluster.name": place.cluster,
        "node.name": place.node.name,
        "path.data": place.data_dir,
        "path.logs": f"{place.conf_dir}/logs",
        "network.host": place.bind.host,
        "http.port": place.bind.port,
        "transport.port": place.control.port,
        "transport.publish_host": place.control.host,
        # As users see it; nobody is sent there.
        "http.publish_host": place.client.host,
        "http.publish_port": place.client.port,
        "xpack.security.enabled": True,
        "xpack.security.autoconfiguration.enabled": False,
        "xpack.security.http.ssl.enabled": False,
        "xpack.security.authc.reserved_realm.enabled": False,
        "xpack.security.authc.realms.file.lab.order": 0,
        # A hash of a random password of 128 bits need not be slow, and is asked at each request.
        "xpack.security.authc.password_hashing.algorithm": "bcrypt4",
        "action.destructive_requires_name": True,
        # Two seconds instead of ten: a lab kills nodes to see what happens then.
        "cluster.fault_detection.follower_check.timeout": "3s",
        "cluster.fault_detection.leader_check.timeout": "3s",
    }
    for level, mib in _WATERMARKS.items():
        key = f"cluster.routing.allocation.disk.watermark.{level}"
        settings[key] = f"{max(1, int(mib * scale))}mb"
    if alone:
        settings["discovery.type"] = "single-node"
    else:
        # Nodes that listen on more than this machine are asked for it, and one way serves all.
        settings |= {
            "discovery.seed_hosts": [str(each.control) for each in cluster],
            "cluster.initial_master_nodes": [each.node.name for each in cluster],
            "xpack.security.transport.ssl.enabled": True,
            "xpack.security.transport.ssl.verification_mode": "certificate",
            "xpack.security.transport.ssl.key": "node.key",
            "xpack.security.transport.ssl.certificate": "node.crt",
            "xpack.security.transport.ssl.certificate_authorities": "node.crt",
        }
    return {**settings, **place.node.settings}


def _hash(password: str) -> str:
    """As the file realm wants it: bcrypt, with a salt of the password's own, so that it is pure."""
    import bcrypt

    digest = hashlib.sha256(f"salt {password}".encode()).digest()[:16]
    salt = b"$2a$04$" + _base64(digest)
    return bcrypt.hashpw(password.encode(), salt).decode()


def _base64(raw: bytes) -> bytes:
    """Bcrypt's own alphabet."""
    import base64

    usual = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    theirs = b"./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
    return base64.b64encode(raw).translate(bytes.maketrans(usual, theirs))[:22]


@functools.cache
def _certificate(password: str) -> tuple[str, str]:
    """A key and a certificate of the nodes' own, the same for all: a node that has it is let in.

    Derived from the password, so that every node's files can be told at any time.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # of P-256
    secret = int.from_bytes(hashlib.sha512(f"nodes {password}".encode()).digest())
    key = ec.derive_private_key(1 + secret % (order - 1), ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "scalelab")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2120, 1, 1, tzinfo=UTC))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256(), ecdsa_deterministic=True)
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return private.decode(), certificate.public_bytes(serialization.Encoding.PEM).decode()
