"""What is going on, in the whole ledger and on one balance: nothing in here reads more than a page can wait for."""

from reconciliation.overview.health import Age, Drift, Health, Verdict, health, of_age
from reconciliation.overview.hours import Volume, count_hours, posting_hours, precisions, volumes
from reconciliation.overview.over_time import Course, Moment, Source, course
from reconciliation.overview.work import Stuck, Work, by_hand_waiting, open_sweeps, plans_waiting, stuck, work_of
