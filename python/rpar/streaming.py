"""Shows what tasks print while they run."""

import codecs
import contextlib
import threading
from typing import TYPE_CHECKING, Any, Dict, Iterator, Tuple

from .display import Pages

if TYPE_CHECKING:
    from ._rpar import Listening
    from .known import Known

#: Seconds until one that listens notices that nobody looks any more.
NOTICE = 0.1

#: What a piece of output was written to, by its number.
STREAMS = {1: "stdout", 2: "stderr"}


@contextlib.contextmanager
def stream_output(result: "Known") -> Iterator[None]:
    """As `AsyncResult.stream_output`."""
    shows = [
        Show(tasks.group.listen(), range(start, stop), Pages(labels=not result._single))
        for tasks, start, stop in result._parts
    ]
    try:
        yield
    finally:
        for show in shows:
            show.close(drain=result.wait(0))  # type: ignore[attr-defined]


class Show:
    """Shows what the tasks of a group print, on a thread of its own."""

    def __init__(self, listening: "Listening", wanted: range, pages: Pages) -> None:
        self._listening = listening
        self._wanted = wanted
        self._pages = pages
        self._leave = False
        # by task and stream: a character may come in two pieces
        self._decoders: Dict[Tuple[int, int], Any] = {}
        self._thread = threading.Thread(target=self._run, name="rpar output", daemon=True)
        self._thread.start()

    def close(self, drain: bool) -> None:
        """Stops; if it is to drain, once all is shown that has been printed."""
        self._leave = not drain
        self._thread.join()
        self._listening.close()

    def _run(self) -> None:
        pieces = self._listening.next(NOTICE)
        while pieces is not None and not self._leave:
            for piece in pieces:
                if piece.index in self._wanted:
                    self._show(piece)
            pieces = self._listening.next(NOTICE)

    def _show(self, piece: Any) -> None:
        key = piece.index, piece.stream
        decoder = self._decoders.get(key)
        if decoder is None:
            decoder = self._decoders[key] = codecs.getincrementaldecoder("utf-8")("replace")
        self._pages.write(STREAMS[piece.stream], piece.engine, decoder.decode(piece.data))
