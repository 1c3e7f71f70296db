"""A real SMTP server for the stories: STARTTLS is required, each message goes to a file of its own.

    mailbox.py FOLDER CERTIFICATE KEY

Prints its port when it listens; ends with its parent's kill.
"""

import asyncio
import pathlib
import ssl
import sys

from aiosmtpd.smtp import SMTP


class Keep:
    """Writes each message whole, and only then accepts it."""

    def __init__(self, folder):
        self.folder = folder
        self.count = 0

    async def handle_DATA(self, server, session, envelope):
        self.count += 1
        name = self.folder / f"{self.count:04}.eml"
        head = f"X-Recipient: {','.join(envelope.rcpt_tos)}\r\n".encode()
        name.with_suffix(".part").write_bytes(head + envelope.original_content)
        name.with_suffix(".part").rename(name)
        return "250 kept"


async def main(folder, certificate, key):
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    keep = Keep(pathlib.Path(folder))
    server = await asyncio.get_running_loop().create_server(
        lambda: SMTP(keep, hostname="localhost", tls_context=tls, require_starttls=True), "127.0.0.1", 0
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main(*sys.argv[1:4]))
