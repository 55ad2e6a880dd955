package dev.sluice.v1;

import static io.grpc.MethodDescriptor.generateFullMethodName;

/**
 * <pre>
 * GatewayService is everything a caller needs. Health and reflection are the
 * standard gRPC services beside it.
 * Calls may carry metadata: "authorization" with "Bearer TOKEN", where the
 * server has callers; "sluice-priority" with "low", for calls that give way to
 * others; "sluice-provider-key" with an upstream key of the caller's own, where
 * that is allowed; and W3C "traceparent".
 * Every failure is a non-OK status whose details carry google.rpc.ErrorInfo
 * (reason: a value of ErrorReason, domain: "sluice.v1") and, where they apply,
 * RetryInfo, QuotaFailure and BadRequest, and always RequestInfo with the
 * generation id. No response message has an error field.
 * </pre>
 */
@io.grpc.stub.annotations.GrpcGenerated
public final class GatewayServiceGrpc {

  private GatewayServiceGrpc() {}

  public static final java.lang.String SERVICE_NAME = "sluice.v1.GatewayService";

  // Static method descriptors that strictly reflect the proto.
  private static volatile io.grpc.MethodDescriptor<dev.sluice.v1.GenerateRequest,
      dev.sluice.v1.GenerateResponse> getGenerateMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "Generate",
      requestType = dev.sluice.v1.GenerateRequest.class,
      responseType = dev.sluice.v1.GenerateResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.SERVER_STREAMING)
  public static io.grpc.MethodDescriptor<dev.sluice.v1.GenerateRequest,
      dev.sluice.v1.GenerateResponse> getGenerateMethod() {
    io.grpc.MethodDescriptor<dev.sluice.v1.GenerateRequest, dev.sluice.v1.GenerateResponse> getGenerateMethod;
    if ((getGenerateMethod = GatewayServiceGrpc.getGenerateMethod) == null) {
      synchronized (GatewayServiceGrpc.class) {
        if ((getGenerateMethod = GatewayServiceGrpc.getGenerateMethod) == null) {
          GatewayServiceGrpc.getGenerateMethod = getGenerateMethod =
              io.grpc.MethodDescriptor.<dev.sluice.v1.GenerateRequest, dev.sluice.v1.GenerateResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.SERVER_STREAMING)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "Generate"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.sluice.v1.GenerateRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.sluice.v1.GenerateResponse.getDefaultInstance()))
              .setSchemaDescriptor(new GatewayServiceMethodDescriptorSupplier("Generate"))
              .build();
        }
      }
    }
    return getGenerateMethod;
  }

  private static volatile io.grpc.MethodDescriptor<dev.sluice.v1.ListModelsRequest,
      dev.sluice.v1.ListModelsResponse> getListModelsMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ListModels",
      requestType = dev.sluice.v1.ListModelsRequest.class,
      responseType = dev.sluice.v1.ListModelsResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<dev.sluice.v1.ListModelsRequest,
      dev.sluice.v1.ListModelsResponse> getListModelsMethod() {
    io.grpc.MethodDescriptor<dev.sluice.v1.ListModelsRequest, dev.sluice.v1.ListModelsResponse> getListModelsMethod;
    if ((getListModelsMethod = GatewayServiceGrpc.getListModelsMethod) == null) {
      synchronized (GatewayServiceGrpc.class) {
        if ((getListModelsMethod = GatewayServiceGrpc.getListModelsMethod) == null) {
          GatewayServiceGrpc.getListModelsMethod = getListModelsMethod =
              io.grpc.MethodDescriptor.<dev.sluice.v1.ListModelsRequest, dev.sluice.v1.ListModelsResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ListModels"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.sluice.v1.ListModelsRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.sluice.v1.ListModelsResponse.getDefaultInstance()))
              .setSchemaDescriptor(new GatewayServiceMethodDescriptorSupplier("ListModels"))
              .build();
        }
      }
    }
    return getListModelsMethod;
  }

  private static volatile io.grpc.MethodDescriptor<dev.sluice.v1.GetRateLimitsRequest,
      dev.sluice.v1.GetRateLimitsResponse> getGetRateLimitsMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "GetRateLimits",
      requestType = dev.sluice.v1.GetRateLimitsRequest.class,
      responseType = dev.sluice.v1.GetRateLimitsResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<dev.sluice.v1.GetRateLimitsRequest,
      dev.sluice.v1.GetRateLimitsResponse> getGetRateLimitsMethod() {
    io.grpc.MethodDescriptor<dev.sluice.v1.GetRateLimitsRequest, dev.sluice.v1.GetRateLimitsResponse> getGetRateLimitsMethod;
    if ((getGetRateLimitsMethod = GatewayServiceGrpc.getGetRateLimitsMethod) == null) {
      synchronized (GatewayServiceGrpc.class) {
        if ((getGetRateLimitsMethod = GatewayServiceGrpc.getGetRateLimitsMethod) == null) {
          GatewayServiceGrpc.getGetRateLimitsMethod = getGetRateLimitsMethod =
              io.grpc.MethodDescriptor.<dev.sluice.v1.GetRateLimitsRequest, dev.sluice.v1.GetRateLimitsResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "GetRateLimits"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.sluice.v1.GetRateLimitsRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.sluice.v1.GetRateLimitsResponse.getDefaultInstance()))
              .setSchemaDescriptor(new GatewayServiceMethodDescriptorSupplier("GetRateLimits"))
              .build();
        }
      }
    }
    return getGetRateLimitsMethod;
  }

  private static volatile io.grpc.MethodDescriptor<dev.sluice.v1.GetMetricsRequest,
      dev.sluice.v1.GetMetricsResponse> getGetMetricsMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "GetMetrics",
      requestType = dev.sluice.v1.GetMetricsRequest.class,
      responseType = dev.sluice.v1.GetMetricsResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<dev.sluice.v1.GetMetricsRequest,
      dev.sluice.v1.GetMetricsResponse> getGetMetricsMethod() {
    io.grpc.MethodDescriptor<dev.sluice.v1.GetMetricsRequest, dev.sluice.v1.GetMetricsResponse> getGetMetricsMethod;
    if ((getGetMetricsMethod = GatewayServiceGrpc.getGetMetricsMethod) == null) {
      synchronized (GatewayServiceGrpc.class) {
        if ((getGetMetricsMethod = GatewayServiceGrpc.getGetMetricsMethod) == null) {
          GatewayServiceGrpc.getGetMetricsMethod = getGetMetricsMethod =
              io.grpc.MethodDescriptor.<dev.sluice.v1.GetMetricsRequest, dev.sluice.v1.GetMetricsResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "GetMetrics"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.sluice.v1.GetMetricsRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.sluice.v1.GetMetricsResponse.getDefaultInstance()))
              .setSchemaDescriptor(new GatewayServiceMethodDescriptorSupplier("GetMetrics"))
              .build();
        }
      }
    }
    return getGetMetricsMethod;
  }

  /**
   * Creates a new async stub that supports all call types for the service
   */
  public static GatewayServiceStub newStub(io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<GatewayServiceStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<GatewayServiceStub>() {
        @java.lang.Override
        public GatewayServiceStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new GatewayServiceStub(channel, callOptions);
        }
      };
    return GatewayServiceStub.newStub(factory, channel);
  }

  /**
   * Creates a new blocking-style stub that supports all types of calls on the service
   */
  public static GatewayServiceBlockingV2Stub newBlockingV2Stub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<GatewayServiceBlockingV2Stub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<GatewayServiceBlockingV2Stub>() {
        @java.lang.Override
        public GatewayServiceBlockingV2Stub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new GatewayServiceBlockingV2Stub(channel, callOptions);
        }
      };
    return GatewayServiceBlockingV2Stub.newStub(factory, channel);
  }

  /**
   * Creates a new blocking-style stub that supports unary and streaming output calls on the service
   */
  public static GatewayServiceBlockingStub newBlockingStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<GatewayServiceBlockingStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<GatewayServiceBlockingStub>() {
        @java.lang.Override
        public GatewayServiceBlockingStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new GatewayServiceBlockingStub(channel, callOptions);
        }
      };
    return GatewayServiceBlockingStub.newStub(factory, channel);
  }

  /**
   * Creates a new ListenableFuture-style stub that supports unary calls on the service
   */
  public static GatewayServiceFutureStub newFutureStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<GatewayServiceFutureStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<GatewayServiceFutureStub>() {
        @java.lang.Override
        public GatewayServiceFutureStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new GatewayServiceFutureStub(channel, callOptions);
        }
      };
    return GatewayServiceFutureStub.newStub(factory, channel);
  }

  /**
   * <pre>
   * GatewayService is everything a caller needs. Health and reflection are the
   * standard gRPC services beside it.
   * Calls may carry metadata: "authorization" with "Bearer TOKEN", where the
   * server has callers; "sluice-priority" with "low", for calls that give way to
   * others; "sluice-provider-key" with an upstream key of the caller's own, where
   * that is allowed; and W3C "traceparent".
   * Every failure is a non-OK status whose details carry google.rpc.ErrorInfo
   * (reason: a value of ErrorReason, domain: "sluice.v1") and, where they apply,
   * RetryInfo, QuotaFailure and BadRequest, and always RequestInfo with the
   * generation id. No response message has an error field.
   * </pre>
   */
  public interface AsyncService {

    /**
     * <pre>
     * Generate runs one model turn and streams it.
     * Order: Started, then parts (PartStarted, deltas, PartFinished; parts may
     * interleave), then exactly one Completed, then status OK. Any other end is a
     * non-OK status, and what was received is partial. Nothing is written before
     * an upstream has produced output, so until then the client library's own
     * retries stay possible.
     * </pre>
     */
    default void generate(dev.sluice.v1.GenerateRequest request,
        io.grpc.stub.StreamObserver<dev.sluice.v1.GenerateResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getGenerateMethod(), responseObserver);
    }

    /**
     * <pre>
     * ListModels lists the models that can be called now, with limits,
     * capabilities and prices.
     * </pre>
     */
    default void listModels(dev.sluice.v1.ListModelsRequest request,
        io.grpc.stub.StreamObserver<dev.sluice.v1.ListModelsResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getListModelsMethod(), responseObserver);
    }

    /**
     * <pre>
     * GetRateLimits tells how much room is left upstream and how long a call of
     * a given size would have to wait. Costs no upstream call.
     * </pre>
     */
    default void getRateLimits(dev.sluice.v1.GetRateLimitsRequest request,
        io.grpc.stub.StreamObserver<dev.sluice.v1.GetRateLimitsResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getGetRateLimitsMethod(), responseObserver);
    }

    /**
     * <pre>
     * GetMetrics returns counters, latencies and health of the replica that
     * answers: in all, per provider, credential, model, caller and label.
     * </pre>
     */
    default void getMetrics(dev.sluice.v1.GetMetricsRequest request,
        io.grpc.stub.StreamObserver<dev.sluice.v1.GetMetricsResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getGetMetricsMethod(), responseObserver);
    }
  }

  /**
   * Base class for the server implementation of the service GatewayService.
   * <pre>
   * GatewayService is everything a caller needs. Health and reflection are the
   * standard gRPC services beside it.
   * Calls may carry metadata: "authorization" with "Bearer TOKEN", where the
   * server has callers; "sluice-priority" with "low", for calls that give way to
   * others; "sluice-provider-key" with an upstream key of the caller's own, where
   * that is allowed; and W3C "traceparent".
   * Every failure is a non-OK status whose details carry google.rpc.ErrorInfo
   * (reason: a value of ErrorReason, domain: "sluice.v1") and, where they apply,
   * RetryInfo, QuotaFailure and BadRequest, and always RequestInfo with the
   * generation id. No response message has an error field.
   * </pre>
   */
  public static abstract class GatewayServiceImplBase
      implements io.grpc.BindableService, AsyncService {

    @java.lang.Override public final io.grpc.ServerServiceDefinition bindService() {
      return GatewayServiceGrpc.bindService(this);
    }
  }

  /**
   * A stub to allow clients to do asynchronous rpc calls to service GatewayService.
   * <pre>
   * GatewayService is everything a caller needs. Health and reflection are the
   * standard gRPC services beside it.
   * Calls may carry metadata: "authorization" with "Bearer TOKEN", where the
   * server has callers; "sluice-priority" with "low", for calls that give way to
   * others; "sluice-provider-key" with an upstream key of the caller's own, where
   * that is allowed; and W3C "traceparent".
   * Every failure is a non-OK status whose details carry google.rpc.ErrorInfo
   * (reason: a value of ErrorReason, domain: "sluice.v1") and, where they apply,
   * RetryInfo, QuotaFailure and BadRequest, and always RequestInfo with the
   * generation id. No response message has an error field.
   * </pre>
   */
  public static final class GatewayServiceStub
      extends io.grpc.stub.AbstractAsyncStub<GatewayServiceStub> {
    private GatewayServiceStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected GatewayServiceStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new GatewayServiceStub(channel, callOptions);
    }

    /**
     * <pre>
     * Generate runs one model turn and streams it.
     * Order: Started, then parts (PartStarted, deltas, PartFinished; parts may
     * interleave), then exactly one Completed, then status OK. Any other end is a
     * non-OK status, and what was received is partial. Nothing is written before
     * an upstream has produced output, so until then the client library's own
     * retries stay possible.
     * </pre>
     */
    public void generate(dev.sluice.v1.GenerateRequest request,
        io.grpc.stub.StreamObserver<dev.sluice.v1.GenerateResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncServerStreamingCall(
          getChannel().newCall(getGenerateMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * ListModels lists the models that can be called now, with limits,
     * capabilities and prices.
     * </pre>
     */
    public void listModels(dev.sluice.v1.ListModelsRequest request,
        io.grpc.stub.StreamObserver<dev.sluice.v1.ListModelsResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getListModelsMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * GetRateLimits tells how much room is left upstream and how long a call of
     * a given size would have to wait. Costs no upstream call.
     * </pre>
     */
    public void getRateLimits(dev.sluice.v1.GetRateLimitsRequest request,
        io.grpc.stub.StreamObserver<dev.sluice.v1.GetRateLimitsResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getGetRateLimitsMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * GetMetrics returns counters, latencies and health of the replica that
     * answers: in all, per provider, credential, model, caller and label.
     * </pre>
     */
    public void getMetrics(dev.sluice.v1.GetMetricsRequest request,
        io.grpc.stub.StreamObserver<dev.sluice.v1.GetMetricsResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getGetMetricsMethod(), getCallOptions()), request, responseObserver);
    }
  }

  /**
   * A stub to allow clients to do synchronous rpc calls to service GatewayService.
   * <pre>
   * GatewayService is everything a caller needs. Health and reflection are the
   * standard gRPC services beside it.
   * Calls may carry metadata: "authorization" with "Bearer TOKEN", where the
   * server has callers; "sluice-priority" with "low", for calls that give way to
   * others; "sluice-provider-key" with an upstream key of the caller's own, where
   * that is allowed; and W3C "traceparent".
   * Every failure is a non-OK status whose details carry google.rpc.ErrorInfo
   * (reason: a value of ErrorReason, domain: "sluice.v1") and, where they apply,
   * RetryInfo, QuotaFailure and BadRequest, and always RequestInfo with the
   * generation id. No response message has an error field.
   * </pre>
   */
  public static final class GatewayServiceBlockingV2Stub
      extends io.grpc.stub.AbstractBlockingStub<GatewayServiceBlockingV2Stub> {
    private GatewayServiceBlockingV2Stub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected GatewayServiceBlockingV2Stub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new GatewayServiceBlockingV2Stub(channel, callOptions);
    }

    /**
     * <pre>
     * Generate runs one model turn and streams it.
     * Order: Started, then parts (PartStarted, deltas, PartFinished; parts may
     * interleave), then exactly one Completed, then status OK. Any other end is a
     * non-OK status, and what was received is partial. Nothing is written before
     * an upstream has produced output, so until then the client library's own
     * retries stay possible.
     * </pre>
     */
    @io.grpc.ExperimentalApi("https://github.com/grpc/grpc-java/issues/10918")
    public io.grpc.stub.BlockingClientCall<?, dev.sluice.v1.GenerateResponse>
        generate(dev.sluice.v1.GenerateRequest request) {
      return io.grpc.stub.ClientCalls.blockingV2ServerStreamingCall(
          getChannel(), getGenerateMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * ListModels lists the models that can be called now, with limits,
     * capabilities and prices.
     * </pre>
     */
    public dev.sluice.v1.ListModelsResponse listModels(dev.sluice.v1.ListModelsRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getListModelsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * GetRateLimits tells how much room is left upstream and how long a call of
     * a given size would have to wait. Costs no upstream call.
     * </pre>
     */
    public dev.sluice.v1.GetRateLimitsResponse getRateLimits(dev.sluice.v1.GetRateLimitsRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getGetRateLimitsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * GetMetrics returns counters, latencies and health of the replica that
     * answers: in all, per provider, credential, model, caller and label.
     * </pre>
     */
    public dev.sluice.v1.GetMetricsResponse getMetrics(dev.sluice.v1.GetMetricsRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getGetMetricsMethod(), getCallOptions(), request);
    }
  }

  /**
   * A stub to allow clients to do limited synchronous rpc calls to service GatewayService.
   * <pre>
   * GatewayService is everything a caller needs. Health and reflection are the
   * standard gRPC services beside it.
   * Calls may carry metadata: "authorization" with "Bearer TOKEN", where the
   * server has callers; "sluice-priority" with "low", for calls that give way to
   * others; "sluice-provider-key" with an upstream key of the caller's own, where
   * that is allowed; and W3C "traceparent".
   * Every failure is a non-OK status whose details carry google.rpc.ErrorInfo
   * (reason: a value of ErrorReason, domain: "sluice.v1") and, where they apply,
   * RetryInfo, QuotaFailure and BadRequest, and always RequestInfo with the
   * generation id. No response message has an error field.
   * </pre>
   */
  public static final class GatewayServiceBlockingStub
      extends io.grpc.stub.AbstractBlockingStub<GatewayServiceBlockingStub> {
    private GatewayServiceBlockingStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected GatewayServiceBlockingStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new GatewayServiceBlockingStub(channel, callOptions);
    }

    /**
     * <pre>
     * Generate runs one model turn and streams it.
     * Order: Started, then parts (PartStarted, deltas, PartFinished; parts may
     * interleave), then exactly one Completed, then status OK. Any other end is a
     * non-OK status, and what was received is partial. Nothing is written before
     * an upstream has produced output, so until then the client library's own
     * retries stay possible.
     * </pre>
     */
    public java.util.Iterator<dev.sluice.v1.GenerateResponse> generate(
        dev.sluice.v1.GenerateRequest request) {
      return io.grpc.stub.ClientCalls.blockingServerStreamingCall(
          getChannel(), getGenerateMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * ListModels lists the models that can be called now, with limits,
     * capabilities and prices.
     * </pre>
     */
    public dev.sluice.v1.ListModelsResponse listModels(dev.sluice.v1.ListModelsRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getListModelsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * GetRateLimits tells how much room is left upstream and how long a call of
     * a given size would have to wait. Costs no upstream call.
     * </pre>
     */
    public dev.sluice.v1.GetRateLimitsResponse getRateLimits(dev.sluice.v1.GetRateLimitsRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getGetRateLimitsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * GetMetrics returns counters, latencies and health of the replica that
     * answers: in all, per provider, credential, model, caller and label.
     * </pre>
     */
    public dev.sluice.v1.GetMetricsResponse getMetrics(dev.sluice.v1.GetMetricsRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getGetMetricsMethod(), getCallOptions(), request);
    }
  }

  /**
   * A stub to allow clients to do ListenableFuture-style rpc calls to service GatewayService.
   * <pre>
   * GatewayService is everything a caller needs. Health and reflection are the
   * standard gRPC services beside it.
   * Calls may carry metadata: "authorization" with "Bearer TOKEN", where the
   * server has callers; "sluice-priority" with "low", for calls that give way to
   * others; "sluice-provider-key" with an upstream key of the caller's own, where
   * that is allowed; and W3C "traceparent".
   * Every failure is a non-OK status whose details carry google.rpc.ErrorInfo
   * (reason: a value of ErrorReason, domain: "sluice.v1") and, where they apply,
   * RetryInfo, QuotaFailure and BadRequest, and always RequestInfo with the
   * generation id. No response message has an error field.
   * </pre>
   */
  public static final class GatewayServiceFutureStub
      extends io.grpc.stub.AbstractFutureStub<GatewayServiceFutureStub> {
    private GatewayServiceFutureStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected GatewayServiceFutureStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new GatewayServiceFutureStub(channel, callOptions);
    }

    /**
     * <pre>
     * ListModels lists the models that can be called now, with limits,
     * capabilities and prices.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<dev.sluice.v1.ListModelsResponse> listModels(
        dev.sluice.v1.ListModelsRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getListModelsMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * GetRateLimits tells how much room is left upstream and how long a call of
     * a given size would have to wait. Costs no upstream call.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<dev.sluice.v1.GetRateLimitsResponse> getRateLimits(
        dev.sluice.v1.GetRateLimitsRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getGetRateLimitsMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * GetMetrics returns counters, latencies and health of the replica that
     * answers: in all, per provider, credential, model, caller and label.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<dev.sluice.v1.GetMetricsResponse> getMetrics(
        dev.sluice.v1.GetMetricsRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getGetMetricsMethod(), getCallOptions()), request);
    }
  }

  private static final int METHODID_GENERATE = 0;
  private static final int METHODID_LIST_MODELS = 1;
  private static final int METHODID_GET_RATE_LIMITS = 2;
  private static final int METHODID_GET_METRICS = 3;

  private static final class MethodHandlers<Req, Resp> implements
      io.grpc.stub.ServerCalls.UnaryMethod<Req, Resp>,
      io.grpc.stub.ServerCalls.ServerStreamingMethod<Req, Resp>,
      io.grpc.stub.ServerCalls.ClientStreamingMethod<Req, Resp>,
      io.grpc.stub.ServerCalls.BidiStreamingMethod<Req, Resp> {
    private final AsyncService serviceImpl;
    private final int methodId;

    MethodHandlers(AsyncService serviceImpl, int methodId) {
      this.serviceImpl = serviceImpl;
      this.methodId = methodId;
    }

    @java.lang.Override
    @java.lang.SuppressWarnings("unchecked")
    public void invoke(Req request, io.grpc.stub.StreamObserver<Resp> responseObserver) {
      switch (methodId) {
        case METHODID_GENERATE:
          serviceImpl.generate((dev.sluice.v1.GenerateRequest) request,
              (io.grpc.stub.StreamObserver<dev.sluice.v1.GenerateResponse>) responseObserver);
          break;
        case METHODID_LIST_MODELS:
          serviceImpl.listModels((dev.sluice.v1.ListModelsRequest) request,
              (io.grpc.stub.StreamObserver<dev.sluice.v1.ListModelsResponse>) responseObserver);
          break;
        case METHODID_GET_RATE_LIMITS:
          serviceImpl.getRateLimits((dev.sluice.v1.GetRateLimitsRequest) request,
              (io.grpc.stub.StreamObserver<dev.sluice.v1.GetRateLimitsResponse>) responseObserver);
          break;
        case METHODID_GET_METRICS:
          serviceImpl.getMetrics((dev.sluice.v1.GetMetricsRequest) request,
              (io.grpc.stub.StreamObserver<dev.sluice.v1.GetMetricsResponse>) responseObserver);
          break;
        default:
          throw new AssertionError();
      }
    }

    @java.lang.Override
    @java.lang.SuppressWarnings("unchecked")
    public io.grpc.stub.StreamObserver<Req> invoke(
        io.grpc.stub.StreamObserver<Resp> responseObserver) {
      switch (methodId) {
        default:
          throw new AssertionError();
      }
    }
  }

  public static final io.grpc.ServerServiceDefinition bindService(AsyncService service) {
    return io.grpc.ServerServiceDefinition.builder(getServiceDescriptor())
        .addMethod(
          getGenerateMethod(),
          io.grpc.stub.ServerCalls.asyncServerStreamingCall(
            new MethodHandlers<
              dev.sluice.v1.GenerateRequest,
              dev.sluice.v1.GenerateResponse>(
                service, METHODID_GENERATE)))
        .addMethod(
          getListModelsMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              dev.sluice.v1.ListModelsRequest,
              dev.sluice.v1.ListModelsResponse>(
                service, METHODID_LIST_MODELS)))
        .addMethod(
          getGetRateLimitsMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              dev.sluice.v1.GetRateLimitsRequest,
              dev.sluice.v1.GetRateLimitsResponse>(
                service, METHODID_GET_RATE_LIMITS)))
        .addMethod(
          getGetMetricsMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              dev.sluice.v1.GetMetricsRequest,
              dev.sluice.v1.GetMetricsResponse>(
                service, METHODID_GET_METRICS)))
        .build();
  }

  private static abstract class GatewayServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoFileDescriptorSupplier, io.grpc.protobuf.ProtoServiceDescriptorSupplier {
    GatewayServiceBaseDescriptorSupplier() {}

    @java.lang.Override
    public com.google.protobuf.Descriptors.FileDescriptor getFileDescriptor() {
      return dev.sluice.v1.GatewayServiceProto.getDescriptor();
    }

    @java.lang.Override
    public com.google.protobuf.Descriptors.ServiceDescriptor getServiceDescriptor() {
      return getFileDescriptor().findServiceByName("GatewayService");
    }
  }

  private static final class GatewayServiceFileDescriptorSupplier
      extends GatewayServiceBaseDescriptorSupplier {
    GatewayServiceFileDescriptorSupplier() {}
  }

  private static final class GatewayServiceMethodDescriptorSupplier
      extends GatewayServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoMethodDescriptorSupplier {
    private final java.lang.String methodName;

    GatewayServiceMethodDescriptorSupplier(java.lang.String methodName) {
      this.methodName = methodName;
    }

    @java.lang.Override
    public com.google.protobuf.Descriptors.MethodDescriptor getMethodDescriptor() {
      return getServiceDescriptor().findMethodByName(methodName);
    }
  }

  private static volatile io.grpc.ServiceDescriptor serviceDescriptor;

  public static io.grpc.ServiceDescriptor getServiceDescriptor() {
    io.grpc.ServiceDescriptor result = serviceDescriptor;
    if (result == null) {
      synchronized (GatewayServiceGrpc.class) {
        result = serviceDescriptor;
        if (result == null) {
          serviceDescriptor = result = io.grpc.ServiceDescriptor.newBuilder(SERVICE_NAME)
              .setSchemaDescriptor(new GatewayServiceFileDescriptorSupplier())
              .addMethod(getGenerateMethod())
              .addMethod(getListModelsMethod())
              .addMethod(getGetRateLimitsMethod())
              .addMethod(getGetMetricsMethod())
              .build();
        }
      }
    }
    return result;
  }
}
