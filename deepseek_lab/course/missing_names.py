"""One sentence under a `NameError`: notebooks are run from the top, and who skips a cell lacks what it makes."""

from types import TracebackType

from IPython import get_ipython

ADVICE = (
    "If a cell further up makes or imports `{name}`, run that one first. All of them: Run > Run All Above Selected"
    " Cell (on Colab: Runtime > Run before). If none does, look at the spelling."
)


def explain_missing_names() -> None:
    """From now on, print the sentence after each cell that ended so. Outside of IPython nothing happens."""
    shell = get_ipython()
    if shell is not None and not getattr(shell, "explains_missing_names", False):  # the first cell may run again
        shell.explains_missing_names = True
        shell.events.register("post_run_cell", _after_cell)


def advice(error: BaseException | None) -> str:
    """The sentence for this error; "" for others than a name that a cell, or a function of one, lacks."""
    of_a_name = type(error) is NameError and error.name  # UnboundLocalError is another mistake
    return ADVICE.format(name=error.name) if of_a_name and _raised_by_a_cell(error.__traceback__) else ""


def _after_cell(result) -> None:
    if words := advice(result.error_in_exec):
        print(words)


def _raised_by_a_cell(traceback: TracebackType | None) -> bool:
    """Not by a module: there, a missing name is nothing that the reader could run."""
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    return traceback is not None and traceback.tb_frame.f_globals.get("__name__") == "__main__"
