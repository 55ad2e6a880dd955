"""One turn from request to Completed.

`planning` names the targets, `attempt` makes one upstream call, `assembler`
turns a decoder's calls into parts and events, `verdicts` judges tool calls,
`pacing` decides how long events may wait for company, `turn` joins them.
Nothing here knows gRPC or any provider's JSON.
"""
