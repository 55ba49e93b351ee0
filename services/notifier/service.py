"""Puts the notifier together."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from services.notifier.channels.port import Channel
from services.notifier.deliveries import pages as delivery_pages
from services.notifier.deliveries.handlers import DIGEST, Dispatcher, DispatchSettings, Sender, SenderSettings, Stores
from services.notifier.deliveries.resending import DeliveryDesk
from services.notifier.deliveries.store import DeliveryStore, has_unfinished
from services.notifier.deliveries.views import DeliveryViews
from services.notifier.directory.domain import OPERATIONS, SUPPORT
from services.notifier.directory.handlers import Directory
from services.notifier.directory.store import DirectoryStore
from services.notifier.inspection import NotifierInspection
from services.notifier.obligations import api, pages
from services.notifier.obligations.handlers import Obligations
from services.notifier.obligations.store import ObligationStore
from services.notifier.obligations.views import InboxView
from services.notifier.personal import NotifierKeeps
from services.notifier.preferences import api as preference_api
from services.notifier.preferences import pages as preference_pages
from services.notifier.preferences.handlers import Choosing
from services.notifier.preferences.store import PreferenceStore
from shared.contracts import CATALOGUE, MARKING, PERSON, SUBMISSION
from shared.inspection import messaging_status
from shared.migrations.history import History
from shared.persons import PersonKeeper
from shared.service import Service
from shared.timers import Timers
from shared.wiring import Platform

NAME = "notifier"
HISTORY = History(Path(__file__).parent / "migrations" / "versions")
TEMPLATES = tuple(Path(__file__).parent / each / "templates" for each in ("obligations", "preferences", "deliveries"))


class Notifier:
    """The service; the audit asks `channel` for the messages that it keeps."""

    def __init__(self, platform: Platform) -> None:
        settings = platform.settings
        database = platform.database(NAME, HISTORY)
        mail = {OPERATIONS: settings.operations_mail, SUPPORT: settings.support_mail}
        directory, obligations = DirectoryStore(mail), ObligationStore()
        stores = Stores(
            deliveries=DeliveryStore(),
            obligations=obligations,
            directory=directory,
            preferences=PreferenceStore(),
        )
        dispatching = DispatchSettings(
            window=timedelta(seconds=settings.digest_window_seconds),
            domain=settings.mail_domain,
            daily_hour=settings.daily_digest_hour,
        )
        dispatcher = Dispatcher(stores, Timers(), dispatching)
        choosing = Choosing(database, stores.preferences, dispatcher.redirect)
        preference_parts = preference_pages.PreferencePages(choosing, platform.pages, hour=settings.daily_digest_hour)
        self.delivery_desk = DeliveryDesk(database, stores)
        self.delivery_views = DeliveryViews(database, directory)
        self.channel: Channel = platform.channel
        sender_settings = SenderSettings(base_url=settings.address, from_address=f"etma@{settings.mail_domain}")
        sender = Sender(database, stores, self.channel, sender_settings)
        inbox = InboxView(database, directory)
        owed = Obligations(obligations, directory, dispatcher.dispatch)
        keeps = NotifierKeeps(database, owed=owed, stores=stores, channel=self.channel)
        keeper = PersonKeeper(database, keeps)
        self.service = Service(
            name=NAME,
            database=database,
            persons=keeper,
            handlers={**keeper.table(), **Directory(directory).table(), **owed.table()},
            topics=[PERSON, CATALOGUE, SUBMISSION, MARKING],
            timer_handlers={DIGEST: dispatcher.fire},
            routers=[
                api.routes(inbox),
                pages.routes(inbox, platform.pages),
                preference_api.routes(choosing),
                preference_pages.routes(preference_parts),
                delivery_pages.routes(self.delivery_desk, self.delivery_views, platform.pages),
            ],
            loops=[sender],
            recover=[sender.take_over],
            in_flight=lambda: has_unfinished(database),
            inspection=NotifierInspection(database, lambda: messaging_status(database, platform.log_ends(database))),
        )
