"""Why a request is not done."""

from typing import Dict, Optional


class Refusal(Exception):
    """Becomes the answer: a status, a sentence for people, and headers for programs."""

    def __init__(self, status: int, text: str, headers: Optional[Dict[str, str]] = None) -> None:
        super().__init__(text)
        self.status, self.text, self.headers = status, text, headers or {}
