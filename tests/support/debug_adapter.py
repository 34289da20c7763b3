"""A client of debugpy, which speaks the Debug Adapter Protocol as an editor does."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time

from .children import environment


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class DebugAdapter:
    """A program under debugpy, which waits where the tests say."""

    def __init__(self, path, backend, seconds=30):
        port = free_port()
        command = [sys.executable, "-Xfrozen_modules=off", "-m", "debugpy"]
        self.child = subprocess.Popen(
            [*command, "--listen", f"127.0.0.1:{port}", "--wait-for-client", path],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment(SWITCHBACK_BACKEND=backend),
            start_new_session=True,
        )
        self.path = str(path)
        self.number = 0
        self.events = []
        self.end = time.monotonic() + seconds
        try:
            self.socket = self.connect(port)
        except BaseException:
            self.kill()
            raise
        self.file = self.socket.makefile("rb")

    def connect(self, port):
        while True:
            try:
                return socket.create_connection(("127.0.0.1", port), timeout=20)
            except OSError:
                if time.monotonic() > self.end:
                    raise
                time.sleep(0.05)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()
        self.socket.close()
        self.kill()

    def kill(self):
        # With the adapter, a process of its own.
        if os.name == "posix":
            try:
                os.killpg(self.child.pid, 9)
            except ProcessLookupError:
                pass
        self.child.kill()
        self.child.wait()
        self.child.stdout.close()

    def read(self):
        length = None
        while line := self.file.readline().strip():
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        return json.loads(self.file.read(length))

    def send(self, command, **arguments):
        self.number += 1
        message = {"seq": self.number, "type": "request", "command": command}
        data = json.dumps({**message, "arguments": arguments}).encode()
        self.socket.sendall(b"Content-Length: %d\r\n\r\n%s" % (len(data), data))
        return self.number

    def ask(self, command, **arguments):
        number = self.send(command, **arguments)
        while True:
            message = self.read()
            if message["type"] == "event":
                self.events.append(message)
            elif message["type"] == "response" and message["request_seq"] == number:
                assert message["success"], message
                return message.get("body")

    def wait_for(self, *names):
        while True:
            while self.events:
                event = self.events.pop(0)
                if event["event"] in names:
                    return event
            message = self.read()
            if message["type"] == "event":
                self.events.append(message)

    def start(self, line):
        """Run to a line of the program."""
        self.ask("initialize", adapterID="tests", linesStartAt1=True, pathFormat="path")
        self.send("attach", justMyCode=True)
        self.wait_for("initialized")
        self.ask("setBreakpoints", source={"path": self.path}, breakpoints=[{"line": line}])
        self.send("configurationDone")
        return self.stop()

    def stop(self):
        """Return the names and lines of the frames where it stops, or None at the end."""
        event = self.wait_for("stopped", "terminated", "exited")
        if event["event"] != "stopped":
            return None
        self.thread = event["body"]["threadId"]
        frames = self.ask("stackTrace", threadId=self.thread)["stackFrames"]
        return [
            (frame["name"], frame["line"])
            for frame in frames
            if frame.get("source", {}).get("path", "").endswith("program.py")
        ]

    def do(self, command):
        self.ask(command, threadId=self.thread)
        return self.stop()
