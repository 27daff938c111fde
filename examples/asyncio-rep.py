#!/usr/bin/python3
"""asyncio-rep.py: kith inside Python's asyncio, through ctypes: a REP socket whose answers are coroutines.

    asyncio-rep.py ipc:///tmp/wall.sock

Answers every request of any ZeroMQ client in capitals, and says who asked, by the kernel's word. The loop of kith is one descriptor to watch:
add_reader() and one call are all that hosting takes.
"""
import asyncio
import ctypes
import os
import sys

kith = ctypes.CDLL(os.environ.get('KITH_LIBRARY', 'libkith.so.0'))
POINTER, SIZE = ctypes.c_void_p, ctypes.c_size_t
ON_MESSAGE = ctypes.CFUNCTYPE(None, POINTER, POINTER, POINTER)
KITH_REP = 1


class Handler(ctypes.Structure):
    """struct kith_socket_handler: who is called is the same as in C, what is NULL is not called."""
    _fields_ = [('message', ON_MESSAGE), ('writable', POINTER), ('failed', POINTER), ('event', POINTER)]


def prototype(name, result, *arguments):
    function = getattr(kith, name)
    function.restype, function.argtypes = result, arguments
    return function


def checked(name, *arguments):
    """A function that returns a negative errno: raises OSError instead."""
    function = prototype(name, ctypes.c_int, *arguments)

    def call(*values):
        result = function(*values)
        if result < 0:
            raise OSError(-result, f'{name}: {os.strerror(-result)}')
        return result
    return call


loop_new, loop_fd = checked('kith_loop_new', POINTER), checked('kith_loop_fd', POINTER)
loop_step = checked('kith_loop_step', POINTER, ctypes.c_int)
loop_free = prototype('kith_loop_free', POINTER, POINTER)
socket_new = checked('kith_socket_new', POINTER, ctypes.c_int, POINTER)
socket_bind = checked('kith_socket_bind', POINTER, ctypes.c_char_p, POINTER)
socket_send = checked('kith_socket_send', POINTER, POINTER, ctypes.c_int)
socket_set_handler = prototype('kith_socket_set_handler', None, POINTER, POINTER, POINTER)
socket_free = prototype('kith_socket_free', POINTER, POINTER)
msg_new, msg_add = checked('kith_msg_new', POINTER), checked('kith_msg_add', POINTER, ctypes.c_char_p, SIZE)
msg_frame = prototype('kith_msg_frame', POINTER, POINTER, SIZE, POINTER)
msg_origin = prototype('kith_msg_origin', POINTER, POINTER)
msg_free = prototype('kith_msg_free', POINTER, POINTER)
origin_format = prototype('kith_origin_format', ctypes.c_int, POINTER, ctypes.c_char_p, SIZE)


class Loop:
    """A loop of kith in the running loop of asyncio. Level-triggered, timers included: no polling, no other thread."""

    def __init__(self):
        self.pointer = POINTER()
        loop_new(ctypes.byref(self.pointer))
        self.host, self.fd, self.steps = asyncio.get_running_loop(), loop_fd(self.pointer), 0
        self.host.add_reader(self.fd, self.step)

    def step(self):
        self.steps += 1
        loop_step(self.pointer, 0)

    def close(self):
        self.host.remove_reader(self.fd)
        loop_free(self.pointer)


class Rep:
    """Calls the coroutine `answer` with each request and its sender; what it returns is the reply."""

    def __init__(self, loop, endpoint, answer):
        self.pointer, self.answer, self.loop, self.tasks = POINTER(), answer, loop, set()
        socket_new(loop.pointer, KITH_REP, ctypes.byref(self.pointer))
        self.handler = Handler(message=ON_MESSAGE(self.message))  # kept: the library calls it as long as the socket lives
        socket_set_handler(self.pointer, ctypes.byref(self.handler), None)
        socket_bind(self.pointer, endpoint.encode(), None)

    def message(self, _socket, msg, _userdata):
        size, sender = SIZE(), ctypes.create_string_buffer(512)
        frame = msg_frame(msg, 0, ctypes.byref(size))
        request = ctypes.string_at(frame, size.value)
        origin_format(msg_origin(msg), sender, len(sender))
        msg_free(msg)
        task = self.loop.host.create_task(self.reply(request, sender.value.decode()))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def reply(self, request, sender):
        reply, msg = await self.answer(request, sender), POINTER()
        msg_new(ctypes.byref(msg))
        msg_add(msg, reply, len(reply))
        try:
            socket_send(self.pointer, msg, 0)  # the message is the library's now
        except OSError:  # the client has gone meanwhile
            msg_free(msg)

    def close(self):
        for task in self.tasks:
            task.cancel()
        socket_free(self.pointer)


async def main(endpoint):
    async def answer(request, sender):
        print(f'{sender}: {request!r}', flush=True)
        return request.upper()

    loop = Loop()
    Rep(loop, endpoint, answer)
    print('asyncio-rep: listening', flush=True)
    await asyncio.Event().wait()


if __name__ == '__main__':
    if len(sys.argv) != 2:
        sys.exit('usage: asyncio-rep.py ENDPOINT')
    try:
        asyncio.run(main(sys.argv[1]))
    except KeyboardInterrupt:
        pass
