"""What one thread asks by: a `requests` session, and the watch that can end its connections."""

from collections.abc import Callable

import requests

from syncd.contract.connector import Networks
from syncd.http.watch import Watch


class Lane:
    """over: whether nothing is to be asked any more. ca_file, proxy: as in the source's settings. networks: internal ones that it may
    ask in; None: it may ask anywhere."""

    def __init__(self, over: Callable[[], bool], *, ca_file: str | None, proxy: str | None, networks: Networks | None = None) -> None:
        self.watch = Watch(over)
        self.session = requests.Session()
        self.session.mount("https://", self.watch.adapter(networks))
        self.session.mount("http://", self.watch.adapter(networks))
        # Neither ~/.netrc nor proxy variables of the environment may change where credentials go (CVE-2024-47081).
        self.session.trust_env = False
        self.session.headers.update({"User-Agent": "syncd", "Accept": "application/json", "Accept-Encoding": "gzip"})
        self.session.verify = ca_file or True
        if proxy:
            self.session.proxies = {"http": proxy, "https": proxy}
