"""A process that hangs in the kernel with the lock of its memory held, as one does in a driver that no longer answers:
reading its command line waits for good. Serves a file system of one file that takes no page back."""

import ctypes, os, signal, struct, sys, threading, time

libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + [ctypes.c_int] * 3 + [ctypes.c_long]
libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]

where = sys.argv[1]
fuse = os.open("/dev/fuse", os.O_RDWR)
options = f"fd={fuse},rootmode=40000,user_id=0,group_id=0".encode()
if libc.mount(b"stuck", where.encode(), b"fuse", 0, options) != 0:
    sys.exit(f"no file system can be mounted: {os.strerror(ctypes.get_errno())}")


def attributes(node, mode):
    return struct.pack("<6Q10I", node, 4096, 8, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)


# By the numbers of linux/fuse.h; WRITE has no answer.
LOOKUP, FORGET, GETATTR, SETATTR, OPEN, READ, WRITE, INIT, INTERRUPT = 1, 2, 3, 4, 14, 15, 16, 26, 36
file = attributes(2, 0o100666)
answers = {
    INIT: struct.pack("<4I2H2I2HI", 7, 31, 0, 0, 1, 1, 4096, 1, 0, 0, 0) + bytes(28),
    LOOKUP: struct.pack("<4Q2I", 2, 0, 99, 99, 0, 0) + file,
    SETATTR: struct.pack("<Q2I", 99, 0, 0) + file,
    OPEN: struct.pack("<Q2I", 0, 0, 0),
    READ: bytes(4096),
}


def serve():
    while True:
        _, operation, unique, node = struct.unpack_from("<2I2Q", os.read(fuse, 1 << 18))
        if operation in (FORGET, WRITE, INTERRUPT):
            continue
        if operation == GETATTR:
            answer = struct.pack("<Q2I", 99, 0, 0) + (attributes(1, 0o40755) if node == 1 else file)
        else:
            answer = answers.get(operation)
        error, answer = (-38, b"") if answer is None else (0, answer)
        os.write(fuse, struct.pack("<IiQ", 16 + len(answer), error, unique) + answer)


if os.fork():
    serve()
libc.prctl(1, signal.SIGKILL)
# With the server's end the file system ends too, and with that the hanging.
os.close(fuse)
page = libc.mmap(None, 4096, 3, 1, os.open(where + "/file", os.O_RDWR), 0)
ctypes.memset(page, 7, 1)
print(os.getpid(), flush=True)
# Gives the page back, which is not taken; who then wants the lock for itself keeps everybody else from it.
threading.Thread(target=libc.munmap, args=(page, 4096), daemon=True).start()
while True:
    libc.mmap(None, 4096, 3, 0x22, -1, 0)
    time.sleep(0.01)
