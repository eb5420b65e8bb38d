"""Take from wheels or from PyTorch's archive what a CPU libtorch needs, checking every byte's CRC.

    unpack.py DESTINATION ARCHIVE...

DESTINATION gets lib/, include/ and, where the archive has one, build-version. Exit code 5: an
archive is broken; 6: the disk is full or cannot be written.
"""

import fnmatch
import os
import shutil
import sys
import zipfile
import zlib

CORRUPT, DISK = 5, 6

# Shared libraries that only CUDA, Python or torch.distributed's shared memory want.
UNWANTED = ("*cuda*", "*nvrtc*", "*nvshmem*", "*cudnn*", "*python*", "*libshm*", "*global_deps*")
# What libtorch_cpu links against although it never calls it without a GPU.
WANTED_NVIDIA = ("libcudart.so.*", "libcupti.so.*")


def target(name):
    """Where a member belongs, or None."""
    parts = name.split("/")
    file = parts[-1]
    if not file or ".." in parts:
        return None
    if parts[0] in ("torch", "libtorch"):
        if parts[1] == "include":
            return os.path.join(*parts[1:])
        if name == "libtorch/build-version":
            return "build-version"
        if len(parts) == 3 and parts[1] == "lib" and (".so" in file or file.endswith(".dylib")):
            # The wheel's libtorch.so asks for CUDA; set-up links its own.
            unwanted = file == "libtorch.so" and parts[0] == "torch"
            if not unwanted and not any(fnmatch.fnmatch(file, pattern) for pattern in UNWANTED):
                return os.path.join("lib", file)
    if parts[0] == "torch.libs":
        return os.path.join("lib", file)
    if parts[0] == "nvidia" and any(fnmatch.fnmatch(file, pattern) for pattern in WANTED_NVIDIA):
        return os.path.join("lib", file)
    return None


def unpack(archive, destination):
    with zipfile.ZipFile(archive) as members:
        for member in members.infolist():
            place = target(member.filename)
            if place is None or member.is_dir():
                continue
            path = os.path.join(destination, place)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with members.open(member) as source, open(path, "wb") as sink:
                shutil.copyfileobj(source, sink, 1 << 20)


def main():
    destination, *archives = sys.argv[1:]
    for archive in archives:
        try:
            unpack(archive, destination)
        except (zipfile.BadZipFile, zlib.error, EOFError) as error:
            print(f"{os.path.basename(archive)} is broken: {error}", file=sys.stderr)
            sys.exit(CORRUPT)
        except OSError as error:
            print(f"cannot write {error.filename or destination}: {error.strerror}",
                  file=sys.stderr)
            sys.exit(DISK)


if __name__ == "__main__":
    main()
