"""Write the machine's certificate authorities as a Java trust store: `trust_store.py FILE`.

A Java from PyPI brings its own authorities and knows nothing of one that this machine was given, as by a company's
proxy; pip is told of those by the same settings. The format is Java's JKS: entries, then a SHA-1 keyed with the password.
"""

import hashlib
import os
import ssl
import struct
import sys

PASSWORD = "changeit"  # noqa: S105 - Java's own default; there is nothing secret in a list of authorities
BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")


def main(target: str) -> None:
    """Write `target`; exits with 1 when no bundle is found, and Java's own list has to do."""
    named = [os.environ.get(name, "") for name in ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE")]
    bundle = next((path for path in (*named, *BUNDLES) if path and os.path.isfile(path)), None)
    if bundle is None:
        sys.exit(1)
    certificates = ssl.create_default_context(cafile=bundle).get_ca_certs(binary_form=True)
    data = struct.pack(">III", 0xFEEDFEED, 2, len(certificates))
    for number, certificate in enumerate(certificates):
        data += struct.pack(">I", 2) + _text(str(number)) + struct.pack(">Q", 0)
        data += _text("X.509") + struct.pack(">I", len(certificate)) + certificate
    digest = hashlib.sha1(PASSWORD.encode("utf-16-be") + b"Mighty Aphrodite" + data)  # noqa: S324 - the format's own
    with open(target, "wb") as file:
        file.write(data + digest.digest())


def _text(value: str) -> bytes:
    return struct.pack(">H", len(value)) + value.encode()


if __name__ == "__main__":
    main(sys.argv[1])
