import com.google.protobuf.ByteString;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.rpc.ErrorInfo;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.StatusRuntimeException;
import io.grpc.health.v1.HealthCheckRequest;
import io.grpc.health.v1.HealthGrpc;
import io.grpc.protobuf.StatusProto;
import limedb.v1.BatchSetRequest;
import limedb.v1.BatchWrite;
import limedb.v1.GetRequest;
import limedb.v1.KVServiceGrpc;
import limedb.v1.ScanRequest;
import limedb.v1.SetRequest;
import limedb.v1.WatchRequest;

/** LimeDB from Java, through Envoy: java -cp 'target/classes:target/lib/*' Example localhost:8484 */
public final class Example {
  // --8<-- [start:errors]
  /** What to act on, such as KEY_NOT_FOUND: docs/errors.md lists them all. */
  static String reason(StatusRuntimeException error) throws InvalidProtocolBufferException {
    for (var detail : StatusProto.fromThrowable(error).getDetailsList()) {
      if (detail.is(ErrorInfo.class)) return detail.unpack(ErrorInfo.class).getReason();
    }
    return "none";
  }
  // --8<-- [end:errors]

  public static void main(String[] arguments) throws Exception {
    // --8<-- [start:calls]
    // By default gRPC receives 4 MiB at most, too little for the largest value: that has 4 MiB, or MAX_VALUE_SIZE.
    var channel =
        Grpc.newChannelBuilder(arguments[0], InsecureChannelCredentials.create()).maxInboundMessageSize(17 << 20).build();
    var kv = KVServiceGrpc.newBlockingStub(channel);
    var watch = kv.watch(WatchRequest.newBuilder().setPrefix("java/").build());
    watch.next(); // the first message: from here on no change is missed
    var set = kv.set(SetRequest.newBuilder().setKey("java/lime").setValue("green").build());
    System.out.println("set: acked " + (set.getReceipt().getAcked() > 0));
    var got = kv.get(GetRequest.newBuilder().setKey("java/lime").build());
    System.out.println("get: " + got.getValue());
    var apple = BatchWrite.newBuilder().setKey("java/apple").setValue("red");
    var plum = BatchWrite.newBuilder().setKey("java/plum").setBlob(ByteString.copyFrom(new byte[] {1, 2}));
    var batch = kv.batchSet(BatchSetRequest.newBuilder().addWrites(apple).addWrites(plum).build());
    for (var result : batch.getResultsList()) { // each write has its own outcome
      System.out.println("batch: written " + !result.hasError());
    }
    kv.scan(ScanRequest.newBuilder().setPrefix("java/").build())
        .forEachRemaining(page -> page.getEntriesList().forEach(entry -> System.out.println("scan: " + entry.getKey())));
    var changes = watch.next();
    while (changes.getEventsCount() == 0) changes = watch.next();
    System.out.println("watch: " + changes.getEvents(0).getKey() + " " + changes.getEvents(0).getValue());
    var health = HealthGrpc.newBlockingStub(channel).check(HealthCheckRequest.getDefaultInstance());
    System.out.println("health: " + health.getStatus());
    try {
      kv.get(GetRequest.newBuilder().setKey("java/none").build());
    } catch (StatusRuntimeException error) {
      System.out.println("error: " + reason(error));
    }
    channel.shutdownNow();
    // --8<-- [end:calls]
  }
}
