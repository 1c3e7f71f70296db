"""Prints the code of a key (base32) at a step of time: HMAC-SHA-1 of the step, cut to six figures (RFC 4226, RFC 6238)."""

import base64
import hashlib
import hmac
import struct
import sys

key, step = base64.b32decode(sys.argv[1]), int(sys.argv[2])
made = hmac.new(key, struct.pack(">Q", step), hashlib.sha1).digest()
offset = made[-1] & 0x0F
number = struct.unpack(">I", made[offset : offset + 4])[0] & 0x7FFFFFFF
print(f"{number % 1_000_000:06d}")
