"""How what a task raised is told: message, traceback and the exception itself."""

# exceptions can carry data; what is longer than this goes without
EXCEPTION_LIMIT_BYTES = 1 << 20


def describe(error, cloud):
    """Packs an exception: its last line, its traceback within the user's code, and its pickle if it has one."""
    import traceback

    trace = cut(error.__traceback__)
    try:
        text = str(error)
    except BaseException:
        text = "<str() of the exception failed>"
    name = type(error).__name__
    message = name + ": " + text.split("\n", 1)[0] if text else name
    try:
        detail = "".join(traceback.format_exception(type(error), error, trace))
    except BaseException as problem:
        detail = message + "\n(its traceback cannot be shown: %r)\n" % (problem,)
    try:
        pickled = cloud(error, 5) if cloud else b""
    except BaseException:
        pickled = b""
    if len(pickled) > EXCEPTION_LIMIT_BYTES:
        pickled = b""
    return pack_failure(message, detail, pickled)


def pack_failure(message, detail, pickled):
    parts = [text.encode("utf-8", "backslashreplace") for text in (message, detail)] + [pickled]
    return b"".join(len(part).to_bytes(8, "little") + part for part in parts)


def cut(trace):
    """Takes the interpreter's own frames off both ends of a traceback: what called the user's code, and what printed."""
    while trace is not None and is_own(trace):
        trace = trace.tb_next
    last = step = trace
    while step is not None:
        if not is_own(step):
            last = step
        step = step.tb_next
    if last is not None:
        last.tb_next = None
    return trace


def is_own(trace):
    return trace.tb_frame.f_code.co_filename.startswith("<rpar ")
