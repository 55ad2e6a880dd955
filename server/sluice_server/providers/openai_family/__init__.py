"""What OpenAI's two dialects and their look-alikes share: failures, limits, log-probs, models.

The shapes of requests and of answers as a whole are each dialect's own.
"""
