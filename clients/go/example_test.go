package sluice_test

import (
	"context"
	"fmt"
	"log"

	"go.sluice.dev/sluice"
)

func Example() {
	client, err := sluice.Connect("127.0.0.1:50051")
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	request := sluice.Prompt("local/smollm2-135m-instruct", "Write one sentence about rivers.")
	for text, err := range client.Generate(context.Background(), request).Text() {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Print(text)
	}
	fmt.Println()
}
