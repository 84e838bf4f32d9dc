"""What is wrong with settings, in words for people: which key, and never the value that was found there."""

from dataclasses import dataclass

from pydantic import ValidationError

_WORDS = {
    "extra_forbidden": "is not a key that is known here",
    "missing": "is missing",
    "string_type": "must be text, in quotes",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "dict_type": "must be a table",
    "model_type": "must be a table",
    "tuple_type": "must be a list",
    "list_type": "must be a list",
}


@dataclass(frozen=True, slots=True)
class Mistake:
    """key: with dots where it stands in a table of its own; empty where the mistake is of several keys together."""

    key: str
    words: str

    def __str__(self) -> str:
        return f"{self.key}: {self.words}" if self.key else self.words

    def at(self, where: str) -> str:
        """As one line, with the place before it."""
        return f"{where} {self}" if self.key else f"{where}: {self}"


def mistakes(problem: ValidationError) -> list[Mistake]:
    """All that pydantic found."""
    found = []
    for error in problem.errors(include_input=False, include_url=False, include_context=True):
        words = _WORDS.get(error["type"])
        if words is None:
            words = error["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
        found.append(Mistake(".".join(str(part) for part in error["loc"]), words))
    return found
