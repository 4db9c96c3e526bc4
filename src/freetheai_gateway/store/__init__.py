"""The database and the journal.

    location    StoreSettings: where the data lies
    database    Database: the open file, its one writer and its readers
    accounts    SqlAccounts: the ports AccountStore and KeyLookup
    usage       SqlUsage: the port UsageStore, and retention
    journal     Journal: the port Ledger, which fills SqlUsage
    changes     ChangeFeed: changes by any process, seen in a fraction of a second
    errors      what goes wrong

Importing this package costs nothing; `database` and what needs it bring SQLAlchemy in, the journal does not.
"""
