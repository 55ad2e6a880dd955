// Command container-check reads what containers are made of by the code of Docker
// itself.
//
//	container-check dockerfile FILE TARGET [NAME=VALUE...]  what `docker build --check` has to say, then the image
//	container-check context FOLDER                          the files that .dockerignore lets through
//	container-check compose FILE                            the project as `docker compose config` gives it
//
// It prints JSON, for context a path per line, and fails with what is wrong. No
// registry is asked: an image that is built upon is taken for an empty one.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
)

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, arguments []string) error {
	switch {
	case len(arguments) >= 3 && arguments[0] == "dockerfile":
		return dockerfile(ctx, arguments[1], arguments[2], arguments[3:])
	case len(arguments) == 2 && arguments[0] == "context":
		return buildContext(ctx, arguments[1])
	case len(arguments) == 2 && arguments[0] == "compose":
		return compose(ctx, arguments[1])
	}
	return errors.New("usage: container-check dockerfile FILE TARGET [NAME=VALUE...] | context FOLDER | compose FILE")
}
