// Example uses LimeDB from Go, through Envoy: go run . localhost:8484 (after `make stubs`).
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	pb "limedb/limedbpb/v1"
)

// --8<-- [start:errors]
// reason is what to act on, such as KEY_NOT_FOUND: docs/errors.md lists them all.
func reason(err error) string {
	for _, detail := range status.Convert(err).Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok && info.Domain == "limedb" {
			return info.Reason
		}
	}
	return "none"
}

// --8<-- [end:errors]

// --8<-- [start:calls]
// By default gRPC receives 4 MiB at most, too little for the largest value: that has 4 MiB, or MAX_VALUE_SIZE.
func connect(address string) (*grpc.ClientConn, error) {
	return grpc.NewClient(
		address,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(17<<20)),
	)
}

func run(ctx context.Context, conn *grpc.ClientConn) error {
	kv := pb.NewKVServiceClient(conn)
	watch, err := kv.Watch(ctx, &pb.WatchRequest{What: &pb.WatchRequest_Prefix{Prefix: "go/"}})
	if err != nil {
		return err
	}
	if _, err := watch.Recv(); err != nil { // the first message: from here on no change is missed
		return err
	}
	lime := &pb.SetRequest{Key: "go/lime", Content: &pb.SetRequest_Value{Value: "green"}}
	set, err := kv.Set(ctx, lime)
	if err != nil {
		return err
	}
	fmt.Println("set: acked", set.Receipt.Acked > 0)
	got, err := kv.Get(ctx, &pb.GetRequest{Key: "go/lime"})
	if err != nil {
		return err
	}
	fmt.Println("get:", got.GetValue())
	batch, err := kv.BatchSet(ctx, &pb.BatchSetRequest{Writes: []*pb.BatchWrite{
		{Key: "go/apple", Content: &pb.BatchWrite_Value{Value: "red"}},
		{Key: "go/plum", Content: &pb.BatchWrite_Blob{Blob: []byte{1, 2}}},
	}})
	if err != nil {
		return err
	}
	for _, result := range batch.Results { // each write has its own outcome
		fmt.Println("batch: written", result.Error == nil)
	}
	scan, err := kv.Scan(ctx, &pb.ScanRequest{Prefix: "go/"})
	if err != nil {
		return err
	}
	for page, err := scan.Recv(); err != io.EOF; page, err = scan.Recv() {
		if err != nil {
			return err
		}
		for _, entry := range page.Entries {
			fmt.Println("scan:", entry.Key)
		}
	}
	for {
		changes, err := watch.Recv()
		if err != nil {
			return err
		}
		if len(changes.Events) > 0 {
			fmt.Println("watch:", changes.Events[0].Key, changes.Events[0].GetValue())
			break
		}
	}
	health, err := grpc_health_v1.NewHealthClient(conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{})
	if err != nil {
		return err
	}
	fmt.Println("health:", health.Status)
	_, err = kv.Get(ctx, &pb.GetRequest{Key: "go/none"})
	fmt.Println("error:", reason(err))
	return nil
}

// --8<-- [end:calls]

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	conn, err := connect(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	if err := run(ctx, conn); err != nil {
		log.Fatal(err)
	}
}
