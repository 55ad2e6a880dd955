package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/dockerfile/dockerfile2llb"
	"github.com/moby/buildkit/frontend/dockerui"
	"github.com/moby/buildkit/solver/pb"
	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"
	"github.com/opencontainers/go-digest"
)

// emptyBase answers for a registry: every image is there, and has no settings.
type emptyBase struct{}

func (emptyBase) ResolveImageConfig(_ context.Context, ref string, _ sourceresolver.Opt) (string, digest.Digest, []byte, error) {
	config := []byte(`{"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers"}}`)
	return ref, digest.FromBytes(config), config, nil
}

// built is what would come of a build.
type built struct {
	Config   dockerspec.DockerOCIImageConfig
	Commands []string
}

func dockerfile(ctx context.Context, path, target string, arguments []string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	options := dockerfile2llb.ConvertOpt{
		Config:       dockerui.Config{BuildArgs: map[string]string{}},
		MetaResolver: emptyBase{},
		SourceMap:    llb.NewSourceMap(nil, path, "Dockerfile", text),
	}
	options.SourceMap.Definition = new(llb.Definition)
	for _, argument := range arguments {
		name, value, _ := strings.Cut(argument, "=")
		options.BuildArgs[name] = value
	}
	// Without a target all stages are read.
	found, err := dockerfile2llb.DockerfileLint(ctx, text, options)
	if err != nil {
		return err
	}
	if found.Error != nil {
		return errors.New(found.Error.Message)
	}
	for _, warning := range found.Warnings {
		err = errors.Join(err, fmt.Errorf("%s: %s", warning.RuleName, warning.Detail))
	}
	if err != nil {
		return err
	}
	options.Target = target
	result, err := dockerfile2llb.Dockerfile2LLB(ctx, text, options)
	if err != nil {
		return err
	}
	commands, err := executed(ctx, result.State)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(built{result.Image.Config, commands})
}

// executed returns the commands that a build runs, what is built upon first.
func executed(ctx context.Context, state llb.State) ([]string, error) {
	definition, err := state.Marshal(ctx, llb.LinuxAmd64)
	if err != nil {
		return nil, err
	}
	var commands []string
	for _, step := range definition.Def {
		op := new(pb.Op)
		if err := op.UnmarshalVT(step); err != nil {
			return nil, err
		}
		if run := op.GetExec(); run != nil {
			arguments := run.Meta.Args
			commands = append(commands, arguments[len(arguments)-1])
		}
	}
	return commands, nil
}
