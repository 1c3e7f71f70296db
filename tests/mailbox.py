"""A real SMTP server for the stories: STARTTLS is required, each message goes to a file of its own.

    mailbox.py FOLDER CERTIFICATE KEY

Prints its port when it listens; ends with its parent's kill.
"""

import pathlib
import signal
import ssl
import sys

from aiosmtpd.controller import Controller


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


folder, certificate, key = sys.argv[1:4]
tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
tls.load_cert_chain(certificate, key)
controller = Controller(
    Keep(pathlib.Path(folder)),
    hostname="127.0.0.1",
    port=0,
    tls_context=tls,
    require_starttls=True,
)
controller.start()
print(controller.server.sockets[0].getsockname()[1], flush=True)
signal.pause()
