"""Floods the socket of the service with titles, from more processes and connections than an account may have, until it
is killed.

Says "flooding" once a thousand messages are written.
"""

import itertools
import json
import os
import signal
import socket
import struct
import sys
import time

HELLO, TITLE = 1, 2
PROCESSES, CONNECTIONS = 4, 8


def frame(kind, payload):
    text = json.dumps(payload).encode()
    return b"LW" + struct.pack("<BBI", 1, kind, len(text)) + text


def connect(path):
    line = socket.socket(socket.AF_UNIX)
    line.connect(path)
    line.sendall(frame(HELLO, {"role": "session"}))
    line.setblocking(False)
    return line


def flood(path):
    lines, written = [], 0
    for number in itertools.count():
        while len(lines) < CONNECTIONS:
            try:
                lines.append(connect(path))
            except OSError:
                break
        title = {"window": number % 50, "title": f"numbatmarker {number}", "app": "flood"}
        before = written
        for line in list(lines):
            try:
                line.send(frame(TITLE, title))
                written += 1
            except BlockingIOError:
                pass
            except OSError:
                lines.remove(line)
            if written == 1000:
                print("flooding", flush=True)
        if written == before:
            # The service reads no more of it: what floods is the socket, not the processor.
            time.sleep(0.001)


def main():
    parent = os.getpid()
    for _ in range(PROCESSES - 1):
        if os.fork() == 0:
            break
    if os.getpid() != parent:
        signal.alarm(120)
    flood(sys.argv[1])


main()
