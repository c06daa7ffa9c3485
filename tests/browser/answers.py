"""The widget of notebook 8: a question and a context that are typed, and the answer marked in the context."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lab import until

if TYPE_CHECKING:
    from playwright.sync_api import Locator


class AnswerExplorer:
    """The widget of `explore_answer`, as its reader sees it."""

    def __init__(self, output: Locator):
        self.question, self.context = output.locator(".widget-text input"), output.locator(".widget-textarea textarea")
        self.page = output.locator(".deepseek-lab-answer")
        self.note = output.locator(".widget-html:not(.deepseek-lab-answer) .widget-html-content")

    def try_everything(self) -> None:
        """Another question, another context, an empty one, and what was there before: the page or the note follows."""
        question, context = self.question.input_value(), self.context.input_value()
        first = self.page.inner_html()
        self.ask("Who founded Kelm?", other_than=first)
        self.tell("Ann Lee 🐍 founded Kelm in 1999. 安在凯尔姆工作。", other_than=self.page.inner_html())
        assert not self.note.inner_text()
        shown = self.page.inner_html()
        self.tell("")
        until(self.note.inner_text, lambda seen: "context" in seen, "note about an empty context")
        assert self.page.inner_html() == shown, "the last good page stays"
        self.tell(context, other_than=shown)
        self.ask(question, other_than=self.page.inner_html())
        until(self.page.inner_html, lambda seen: seen == first, "the first page again")

    def ask(self, text: str, other_than: str) -> None:
        """Type a question; wait for another page."""
        self.question.fill(text)
        self.question.press("Enter")
        until(self.page.inner_html, lambda seen: seen != other_than, f"page for {text!r}")

    def tell(self, text: str, other_than: str | None = None) -> None:
        """Type a context and leave the field; wait for another page."""
        self.context.fill(text)
        self.context.blur()
        if other_than is not None:
            until(self.page.inner_html, lambda seen: seen != other_than, f"page for {text[:20]!r}")
