"""A process of its own that uses the embedded server: `python -m tests.support.embedded_user DIR`.

It prints `started` or `joined`, waits for a line on its input, gives up its share and prints `left`.
"""

import sys
from pathlib import Path

from backend.embedded import EmbeddedPostgres

if __name__ == "__main__":
    server = EmbeddedPostgres(Path(sys.argv[1]))
    sys.stdout.write("started\n" if server.ensure_running() else "joined\n")
    sys.stdout.flush()
    sys.stdin.readline()
    server.close()
    sys.stdout.write("left\n")
