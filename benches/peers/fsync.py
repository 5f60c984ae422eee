#!/usr/bin/env python3
"""`fsync.py FOLDER`: how many times a second a page can be written there and be on the disk before the next one is. Over pages that are
there already, as in a log that is used again."""

import os
import pathlib
import sys
import time

PAGE, PAGES, SECONDS = 4096, 64, 1.0


def per_second(folder):
    file = pathlib.Path(folder) / "fsync"
    with open(file, "wb", buffering=0) as out:
        out.write(b"x" * PAGE * PAGES)
        os.fsync(out.fileno())
        count, begun = 0, time.monotonic()
        while (took := time.monotonic() - begun) < SECONDS:
            out.seek(count % PAGES * PAGE)
            out.write(b"y" * PAGE)
            os.fsync(out.fileno())
            count += 1
    file.unlink()
    return count / took


if __name__ == "__main__":
    print(per_second(sys.argv[1]))
