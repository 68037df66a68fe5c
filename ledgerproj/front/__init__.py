"""What stands between granian and Django: bodies are awaited without a thread, and requests take turns at the threads.

granian reads heads and keeps connections, of which there may be thousands. For each request it calls ``entry``, in an
event loop. The body is read there too (``bodies``), so a slow client costs no thread; then the request waits for its
turn (``turns``), and one of a fixed number of threads lets Django answer it (``exchanges``).
"""
