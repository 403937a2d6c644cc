"""The errors that a user can mend: one line that names the value, what is wrong with it and what to do."""


class ICNetError(Exception):
    """Base of every error whose message is meant for the user; the command line prints it as its only line."""


class ConfigError(ICNetError):
    """A setting is unknown, of the wrong kind, or contradicts another one."""


class DataError(ICNetError):
    """Files of a data set are missing, broken, or do not belong together."""


class WeightsError(ICNetError):
    """A file of weights cannot be read or does not fit the network."""


class Interrupted(BaseException):
    """A signal ended the run, which ends with `status`. No Exception: libraries swallow those."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


def first_line(error: BaseException) -> str:
    """Of what a library says at length; its name where it says nothing."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
