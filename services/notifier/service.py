"""Puts the notifier together."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from services.notifier.channels.port import Channel
from services.notifier.deliveries.handlers import DIGEST, Dispatcher, Sender, SenderSettings, Stores
from services.notifier.deliveries.store import DeliveryStore, has_unfinished
from services.notifier.directory.handlers import Directory
from services.notifier.directory.store import DirectoryStore
from services.notifier.inspection import NotifierInspection
from services.notifier.obligations import api, pages
from services.notifier.obligations.handlers import Obligations
from services.notifier.obligations.store import ObligationStore
from services.notifier.obligations.views import InboxView
from services.notifier.personal import NotifierKeeps
from shared.contracts import CATALOGUE, MARKING, PERSON, SUBMISSION
from shared.inspection import messaging_status
from shared.migrations.history import History
from shared.persons import PersonKeeper
from shared.service import Service
from shared.timers import Timers
from shared.wiring import Platform

NAME = "notifier"
HISTORY = History(Path(__file__).parent / "migrations" / "versions")
TEMPLATES = (Path(__file__).parent / "obligations" / "templates",)


class Notifier:
    """The service; the audit asks `channel` for the messages that it keeps."""

    def __init__(self, platform: Platform) -> None:
        settings = platform.settings
        database = platform.database(NAME, HISTORY)
        directory, obligations = DirectoryStore(settings.operations_mail), ObligationStore()
        stores = Stores(deliveries=DeliveryStore(), obligations=obligations, directory=directory)
        window = timedelta(seconds=settings.digest_window_seconds)
        dispatcher = Dispatcher(stores, Timers(), window=window, domain=settings.mail_domain)
        self.channel: Channel = platform.channel
        sender_settings = SenderSettings(base_url=settings.address, from_address=f"etma@{settings.mail_domain}")
        sender = Sender(database, stores, self.channel, sender_settings)
        inbox = InboxView(database, directory)
        owed = Obligations(obligations, directory, dispatcher.dispatch)
        keeps = NotifierKeeps(database, owed=owed, going_out=stores.deliveries, channel=self.channel)
        keeper = PersonKeeper(database, keeps)
        self.service = Service(
            name=NAME,
            database=database,
            persons=keeper,
            handlers={**keeper.table(), **Directory(directory).table(), **owed.table()},
            topics=[PERSON, CATALOGUE, SUBMISSION, MARKING],
            timer_handlers={DIGEST: dispatcher.fire},
            routers=[api.routes(inbox), pages.routes(inbox, platform.pages)],
            loops=[sender],
            recover=[sender.take_over],
            in_flight=lambda: has_unfinished(database),
            inspection=NotifierInspection(database, lambda: messaging_status(database, platform.log_ends(database))),
        )
