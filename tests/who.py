"""Who does things in tests."""

from syncd.account import Role, Via, Who

OPERATOR = Who("operator", Role.ADMIN, Via.CLI)
PRINCIPAL = Who("skinner", Role.ADMIN, Via.CONSOLE)
