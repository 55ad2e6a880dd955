"""What replicas share: quota, cool-downs, locks and tokens. In memory, or in Redis.

Here are the promises (`quota`, `locks`) and their implementations; what the
numbers mean is decided in `limits` and `credentials`.
"""
