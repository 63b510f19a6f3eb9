"""The journal's thread: takes finished work from a ring, writes, makes it durable, and signals an eventfd.

A native thread without the interpreter's lock: a Python thread would wait for that lock after each flush. One flush
is one frame. While it is in flight the caller gathers the next batch, so no timer is needed. Every file operation
goes through a table of function pointers, so that tests make the n-th call fail in the very code that runs.

Where files are memory (tmpfs) there is nothing to wait for, and handing over costs more than the work: there the
caller does it in place, with the same code.
"""

cimport cython
from libc.errno cimport EIO, errno
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy
from posix.types cimport off_t

import os

from cpython.bytes cimport PyBytes_AS_STRING

from ext.journal cimport CHAIN_BYTES, HEADER_BYTES, Header, advance_chain, finish_frame, frame_size


cdef extern from "<stdlib.h>" nogil:
    int posix_memalign(void **memory, size_t alignment, size_t size)

cdef extern from "<string.h>" nogil:
    char *strdup(const char *text)

cdef extern from "<unistd.h>" nogil:
    ssize_t pwrite(int fd, const void *data, size_t length, off_t offset)
    int c_fdatasync "fdatasync"(int fd)
    int c_fsync "fsync"(int fd)
    ssize_t c_write "write"(int fd, const void *data, size_t length)
    ssize_t c_read "read"(int fd, void *data, size_t length)
    int c_close "close"(int fd)

cdef extern from "<stdio.h>" nogil:
    int c_rename "rename"(const char *before, const char *after)

cdef extern from "<sys/vfs.h>" nogil:
    struct statfs_t "statfs":
        long f_type
    int c_statfs "statfs"(const char *path, statfs_t *found)

cdef extern from "<sys/eventfd.h>" nogil:
    int eventfd(unsigned int start, int flags)
    int EFD_CLOEXEC
    int EFD_NONBLOCK

cdef extern from "<pthread.h>" nogil:
    ctypedef unsigned long pthread_t
    ctypedef struct pthread_mutex_t:
        pass
    ctypedef struct pthread_cond_t:
        pass
    int pthread_create(pthread_t *thread, void *attributes, void *(*run)(void *) noexcept nogil, void *argument)
    int pthread_join(pthread_t thread, void **result)
    int pthread_mutex_init(pthread_mutex_t *mutex, void *attributes)
    int pthread_mutex_lock(pthread_mutex_t *mutex)
    int pthread_mutex_unlock(pthread_mutex_t *mutex)
    int pthread_mutex_destroy(pthread_mutex_t *mutex)
    int pthread_cond_init(pthread_cond_t *condition, void *attributes)
    int pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *mutex)
    int pthread_cond_signal(pthread_cond_t *condition)
    int pthread_cond_destroy(pthread_cond_t *condition)


cdef enum:
    RING_SLOTS = 16
    MEMORY_BLOCK = 4096
    TMPFS_MAGIC = 0x01021994

cdef enum:                      # Operations of the table, by which a fault is injected and a failure reported.
    OP_NONE = 0
    OP_WRITE = 1
    OP_FDATASYNC = 2
    OP_RENAME = 3
    OP_FSYNC = 4
    OPERATIONS = 5

OPERATION_NAMES = ("none", "write", "fdatasync", "rename", "fsync")


cdef struct Io:                 # The table, with what the injected faults need.
    ssize_t (*write)(Io *io, int fd, const void *data, size_t length, off_t offset) noexcept nogil
    int (*fdatasync)(Io *io, int fd) noexcept nogil
    int (*rename)(Io *io, const char *before, const char *after) noexcept nogil
    int (*fsync)(Io *io, int fd) noexcept nogil
    uint64_t calls[OPERATIONS]
    uint64_t fail_at[OPERATIONS]        # The call that fails, counted from 1; 0: none.
    int fail_errno
    int64_t fail_bytes                  # write: bytes written before the failure, -1: an error instead.


cdef struct Slot:               # One piece of work, in the order of the ring.
    int kind                    # OP_WRITE: a frame, made durable. OP_RENAME: a new segment gets its name.
    int fd                      # OP_RENAME: of the directory.
    uint32_t salt
    uint64_t offset
    uint64_t frame_bytes
    uint64_t last_seq           # Newest command on disk once this is done.
    uint8_t *frame
    uint64_t capacity
    char *before
    char *after


cdef ssize_t io_write(Io *io, int fd, const void *data, size_t length, off_t offset) noexcept nogil:
    return pwrite(fd, data, length, offset)

cdef int io_fdatasync(Io *io, int fd) noexcept nogil:
    return c_fdatasync(fd)

cdef int io_rename(Io *io, const char *before, const char *after) noexcept nogil:
    return c_rename(before, after)

cdef int io_fsync(Io *io, int fd) noexcept nogil:
    return c_fsync(fd)


cdef bint fails_now(Io *io, int operation) noexcept nogil:
    """Count the call; whether it is the one to fail, errno set."""
    io.calls[operation] += 1
    if io.fail_at[operation] != io.calls[operation]:
        return False
    set_errno(io.fail_errno)
    return True

cdef extern from *:
    """
    #include <errno.h>
    static void hourglass_set_errno(int number) { errno = number; }
    """
    void set_errno "hourglass_set_errno"(int number) noexcept nogil

cdef ssize_t faulty_write(Io *io, int fd, const void *data, size_t length, off_t offset) noexcept nogil:
    if not fails_now(io, OP_WRITE):
        return pwrite(fd, data, length, offset)
    if io.fail_bytes < 0:
        return -1
    return pwrite(fd, data, <size_t>io.fail_bytes if <size_t>io.fail_bytes < length else length, offset)

cdef int faulty_fdatasync(Io *io, int fd) noexcept nogil:
    return -1 if fails_now(io, OP_FDATASYNC) else c_fdatasync(fd)

cdef int faulty_rename(Io *io, const char *before, const char *after) noexcept nogil:
    return -1 if fails_now(io, OP_RENAME) else c_rename(before, after)

cdef int faulty_fsync(Io *io, int fd) noexcept nogil:
    return -1 if fails_now(io, OP_FSYNC) else c_fsync(fd)


cdef struct Shared:             # What the thread and its owner share. The ring and the results are under the mutex.
    Io io
    Slot slots[RING_SLOTS]
    pthread_mutex_t mutex
    pthread_cond_t work
    uint64_t head               # Next slot to be released.
    uint64_t tail               # Next slot to be filled.
    uint64_t done               # Slots durable, from the start.
    uint64_t durable_seq
    int failed_operation
    int failed_errno
    bint stopping
    bint sync                   # 0: mode memory, nothing is flushed and no frame claims durability.
    int signal_fd
    uint8_t chain[CHAIN_BYTES]  # The thread's own.


cdef int write_frame(Shared *shared, Slot *slot) noexcept nogil:
    """Finish, write and flush one frame. The operation that failed, or OP_NONE; errno says why."""
    cdef Header *header = <Header *>slot.frame
    cdef ssize_t written
    header.durable_seq = shared.durable_seq if shared.sync else 0
    finish_frame(slot.frame, slot.frame_bytes, slot.salt, shared.chain)
    set_errno(0)
    written = shared.io.write(&shared.io, slot.fd, slot.frame, slot.frame_bytes, <off_t>slot.offset)
    if written != <ssize_t>slot.frame_bytes:
        return OP_WRITE
    if shared.sync and shared.io.fdatasync(&shared.io, slot.fd) != 0:
        return OP_FDATASYNC
    return OP_NONE


cdef int name_segment(Shared *shared, Slot *slot) noexcept nogil:
    """Give a prepared segment its name, and make the name durable."""
    if shared.io.rename(&shared.io, slot.before, slot.after) != 0:
        return OP_RENAME
    if shared.sync and shared.io.fsync(&shared.io, slot.fd) != 0:
        return OP_FSYNC
    return OP_NONE


cdef void release(Slot *slot) noexcept nogil:
    free(slot.before)
    free(slot.after)
    slot.before = slot.after = NULL


cdef int carry_out(Shared *shared, Slot *slot) noexcept nogil:
    """Do one piece of work, and note how it went. The operation that failed, or OP_NONE."""
    cdef int failure = write_frame(shared, slot) if slot.kind == OP_WRITE else name_segment(shared, slot)
    pthread_mutex_lock(&shared.mutex)
    if failure == OP_NONE:
        shared.done += 1
        shared.durable_seq = slot.last_seq
    else:
        # No second try: after a failed flush the kernel may have dropped the pages and call them clean.
        shared.failed_errno = errno
        shared.failed_operation = failure
    pthread_mutex_unlock(&shared.mutex)
    return failure


cdef void finish(Shared *shared, Slot *slot) noexcept nogil:
    """Go on to the next piece of work."""
    if slot.kind == OP_WRITE:
        advance_chain(shared.chain, slot.frame, slot.frame_bytes)
    pthread_mutex_lock(&shared.mutex)
    release(slot)
    shared.head += 1
    pthread_mutex_unlock(&shared.mutex)


cdef void signal_owner(Shared *shared) noexcept nogil:
    cdef uint64_t one = 1
    c_write(shared.signal_fd, &one, 8)


cdef void *run_thread(void *argument) noexcept nogil:
    cdef Shared *shared = <Shared *>argument
    cdef Slot *slot
    cdef int failure
    while True:
        pthread_mutex_lock(&shared.mutex)
        while shared.head == shared.tail and not shared.stopping:
            pthread_cond_wait(&shared.work, &shared.mutex)
        if shared.head == shared.tail:
            pthread_mutex_unlock(&shared.mutex)
            return NULL
        slot = &shared.slots[shared.head % RING_SLOTS]
        pthread_mutex_unlock(&shared.mutex)

        failure = carry_out(shared, slot)
        signal_owner(shared)
        if failure != OP_NONE:
            return NULL
        finish(shared, slot)                # After the signal: the owner need not wait for the hash.


@cython.final
cdef class JournalThread:
    """Owner's side of the thread. Not for more than one Python thread at a time."""

    cdef Shared *shared
    cdef pthread_t thread
    cdef bint running
    cdef readonly int block_bytes
    cdef readonly bint in_place     # There is no thread: all is done when it is queued.

    def __cinit__(self, bytes chain, uint64_t durable_seq, *, bint sync=True, int block_bytes=512,
                  bint in_place=False):
        if len(chain) != CHAIN_BYTES:
            raise ValueError(f"chain must be {CHAIN_BYTES} bytes, was {len(chain)}")
        self.block_bytes = block_bytes
        self.shared = <Shared *>calloc(1, sizeof(Shared))
        if self.shared == NULL:
            raise MemoryError
        self.shared.signal_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)
        if self.shared.signal_fd < 0:
            raise OSError(errno, os.strerror(errno))
        self.shared.sync = sync
        self.shared.durable_seq = durable_seq
        memcpy(self.shared.chain, PyBytes_AS_STRING(chain), CHAIN_BYTES)
        self.shared.io.write = io_write
        self.shared.io.fdatasync = io_fdatasync
        self.shared.io.rename = io_rename
        self.shared.io.fsync = io_fsync
        pthread_mutex_init(&self.shared.mutex, NULL)
        pthread_cond_init(&self.shared.work, NULL)
        self.in_place = in_place
        if not in_place and pthread_create(&self.thread, NULL, run_thread, self.shared) != 0:
            raise OSError(EIO, "the journal's thread could not be started")
        self.running = True

    def __dealloc__(self):
        if self.shared == NULL:
            return
        self.close()
        for i in range(RING_SLOTS):
            release(&self.shared.slots[i])
            free(self.shared.slots[i].frame)
        if self.shared.signal_fd >= 0:
            c_close(self.shared.signal_fd)
        free(self.shared)

    def close(self):
        """Finish what is in the ring, then end the thread. May be called again."""
        if not self.running:
            return
        self.running = False
        if self.in_place:
            return
        with nogil:
            pthread_mutex_lock(&self.shared.mutex)
            self.shared.stopping = True
            pthread_cond_signal(&self.shared.work)
            pthread_mutex_unlock(&self.shared.mutex)
            pthread_join(self.thread, NULL)

    def fileno(self):
        """Descriptor that becomes readable when something was finished or has failed."""
        return self.shared.signal_fd

    def write(self, int fd, uint64_t offset, uint32_t salt, uint32_t magic, uint64_t first_seq, int64_t ts_ns,
              uint32_t count, const uint8_t[::1] body, uint32_t term=1):
        """Queue one frame; the body is copied. Returns its number: it is durable when `done` has reached that."""
        cdef Slot *slot = self.free_slot()
        cdef uint64_t body_bytes = body.shape[0]
        cdef uint64_t frame_bytes = frame_size(body_bytes, self.block_bytes)
        cdef Header *header
        reserve(slot, frame_bytes)
        header = <Header *>slot.frame
        header.magic = magic
        header.first_seq = first_seq
        header.count = count
        header.body_bytes = <uint32_t>body_bytes
        header.ts_ns = ts_ns
        header.term = term
        if body_bytes:
            memcpy(slot.frame + HEADER_BYTES, &body[0], body_bytes)
        slot.kind = OP_WRITE
        slot.fd = fd
        slot.salt = salt
        slot.offset = offset
        slot.frame_bytes = frame_bytes
        slot.last_seq = first_seq + count - 1
        return self.push(slot)

    def rename(self, bytes before, bytes after, int directory_fd, uint64_t last_seq):
        """Queue the naming of a prepared segment. Returns its number, as `write`."""
        cdef Slot *slot = self.free_slot()
        slot.kind = OP_RENAME
        slot.fd = directory_fd
        slot.last_seq = last_seq
        slot.before = strdup(PyBytes_AS_STRING(before))
        slot.after = strdup(PyBytes_AS_STRING(after))
        if slot.before == NULL or slot.after == NULL:
            release(slot)
            raise MemoryError
        return self.push(slot)

    cdef Slot *free_slot(self) except NULL:
        cdef uint64_t used
        cdef int failed
        if not self.running:
            raise ValueError("the journal's thread has ended")
        pthread_mutex_lock(&self.shared.mutex)
        used = self.shared.tail - self.shared.head
        failed = self.shared.failed_operation
        pthread_mutex_unlock(&self.shared.mutex)
        if failed:
            raise ValueError("the journal's thread has failed; it takes nothing more")
        if used == RING_SLOTS:
            raise BufferError(f"the journal's ring of {RING_SLOTS} is full")
        return &self.shared.slots[self.shared.tail % RING_SLOTS]

    cdef uint64_t push(self, Slot *slot) noexcept:
        cdef uint64_t number
        pthread_mutex_lock(&self.shared.mutex)
        self.shared.tail += 1
        number = self.shared.tail
        if not self.in_place:
            pthread_cond_signal(&self.shared.work)
        pthread_mutex_unlock(&self.shared.mutex)
        if self.in_place:
            if carry_out(self.shared, slot) == OP_NONE:
                finish(self.shared, slot)
            else:
                signal_owner(self.shared)
        return number

    def completed(self):
        """Clear the signal. Returns (done, durable_seq, failed operation or None, its errno; 0: written short)."""
        cdef uint64_t signals = 0
        cdef uint64_t done, durable_seq
        cdef int operation, number
        if not self.in_place:
            c_read(self.shared.signal_fd, &signals, 8)
        pthread_mutex_lock(&self.shared.mutex)
        done, durable_seq = self.shared.done, self.shared.durable_seq
        operation, number = self.shared.failed_operation, self.shared.failed_errno
        pthread_mutex_unlock(&self.shared.mutex)
        return done, durable_seq, OPERATION_NAMES[operation] if operation else None, number

    def inject(self, str operation, uint64_t nth, int error=EIO, int64_t short_bytes=-1):
        """Make the nth call of `operation` from now on fail: with errno `error`, or (write) after `short_bytes`.

        For fault tests. Must be called while nothing is queued.
        """
        cdef Io *io = &self.shared.io
        io.fail_errno = 0 if short_bytes >= 0 else error
        io.fail_bytes = short_bytes
        for number in range(OPERATIONS):
            io.calls[number] = 0
            io.fail_at[number] = 0
        io.fail_at[OPERATION_NAMES.index(operation)] = nth
        io.write = faulty_write
        io.fdatasync = faulty_fdatasync
        io.rename = faulty_rename
        io.fsync = faulty_fsync


def is_in_memory(str directory):
    """Whether the files of a directory are memory (tmpfs): written is as good as flushed, and nothing waits."""
    cdef statfs_t found
    cdef bytes path = os.fsencode(directory)
    if c_statfs(PyBytes_AS_STRING(path), &found) != 0:
        raise OSError(errno, os.strerror(errno), directory)
    return found.f_type == TMPFS_MAGIC


cdef int reserve(Slot *slot, uint64_t frame_bytes) except -1:
    """Make room for a frame in a slot; memory once taken is kept for the next frames."""
    cdef void *memory = NULL
    if slot.capacity >= frame_bytes:
        return 0
    free(slot.frame)
    slot.frame = NULL
    slot.capacity = 0
    if posix_memalign(&memory, MEMORY_BLOCK, frame_bytes) != 0:
        raise MemoryError
    slot.frame = <uint8_t *>memory
    slot.capacity = frame_bytes
    return 0
