package main

import (
	"context"
	"fmt"
	gofs "io/fs"
	"os"
	"path/filepath"

	"github.com/moby/patternmatcher/ignorefile"
	"github.com/tonistiigi/fsutil"
)

func buildContext(ctx context.Context, folder string) error {
	file, err := os.Open(filepath.Join(folder, ".dockerignore"))
	if err != nil {
		return err
	}
	defer file.Close()
	patterns, err := ignorefile.ReadAll(file)
	if err != nil {
		return err
	}
	options := &fsutil.FilterOpt{ExcludePatterns: patterns}
	return fsutil.WalkDir(ctx, folder, options, func(path string, entry gofs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			fmt.Println(path)
		}
		return err
	})
}
