"""What Sluice is built of: which packages, under which licences, with which known flaws.

`python -m tests.supply.licences FOLDER` writes the page, `python -m tests.supply.bill FILE` the
bill of materials, `python -m tests.supply.audit LOCK...` asks about known vulnerabilities.
"""
