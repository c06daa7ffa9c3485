"""Started by path in a fresh interpreter, with a job as JSON on standard input."""

import supervise

supervise.main()
