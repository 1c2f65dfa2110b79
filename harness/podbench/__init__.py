"""The suite `pod-bench`: the published experiments on stores of variables, with every load compared by the oracle.

`report` renders and publishes results, `cli` has the verbs; `trial`, `execute` and `driver` run in processes of their own,
which import nothing that they do not need.
"""
