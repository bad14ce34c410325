import NIOCore
import Swiftlet

// The parts of `call` and `result` that speak of storage.

extension StorageAsk {
    func write(to buffer: inout ByteBuffer) {
        switch self {
        case .signUploads(let uploads):
            buffer.put(UInt8(1))
            buffer.put(UInt16(clamping: uploads.count))
            for upload in uploads { upload.write(to: &buffer) }
        case .signDownloads(let bucket, let paths, let seconds, let download):
            buffer.put(UInt8(2))
            buffer.put(bucket)
            buffer.put(paths)
            buffer.put(seconds)
            switch download {
            case nil: buffer.put(UInt8(0))
            case .own: buffer.put(UInt8(1))
            case .named(let name):
                buffer.put(UInt8(2))
                buffer.put(name)
            }
        case .list(let bucket, let folder, let search, let limit, let offset):
            buffer.put(UInt8(3))
            buffer.put(bucket)
            buffer.put(folder)
            buffer.put(search)
            buffer.put(limit)
            buffer.put(offset)
        case .info(let bucket, let path):
            buffer.put(UInt8(4))
            buffer.put(bucket)
            buffer.put(path)
        case .remove(let bucket, let paths):
            buffer.put(UInt8(5))
            buffer.put(bucket)
            buffer.put(paths)
        }
    }

    init(_ payload: inout ByteBuffer) throws(FrameProblem) {
        switch try payload.takeByte() {
        case 1:
            var uploads: [UploadRequest] = []
            for _ in 0..<(try payload.takeCount(upTo: StorageAccess.batch)) { uploads.append(try UploadRequest(&payload)) }
            self = .signUploads(uploads)
        case 2:
            let bucket = try payload.takeText()
            let paths = try payload.takeTexts(upTo: StorageAccess.batch)
            let seconds = try payload.takeInt()
            let download: DownloadName?
            switch try payload.takeByte() {
            case 0: download = nil
            case 1: download = .own
            case 2: download = .named(try payload.takeText())
            default: throw .malformed
            }
            self = .signDownloads(bucket: bucket, paths: paths, seconds: seconds, download: download)
        case 3:
            self = .list(
                bucket: try payload.takeText(), folder: try payload.takeText(), search: try payload.takeOptionalText(),
                limit: try payload.takeInt(), offset: try payload.takeInt())
        case 4: self = .info(bucket: try payload.takeText(), path: try payload.takeText())
        case 5: self = .remove(bucket: try payload.takeText(), paths: try payload.takeTexts(upTo: StorageAccess.batch))
        default: throw .malformed
        }
    }
}

extension UploadRequest {
    fileprivate func write(to buffer: inout ByteBuffer) {
        buffer.put(bucket)
        switch place {
        case .path(let path):
            buffer.put(UInt8(0))
            buffer.put(path)
        case .folder(let folder, let name):
            buffer.put(UInt8(1))
            buffer.put(folder)
            buffer.put(name)
        }
        buffer.put(contentType)
        buffer.put(size)
        buffer.put(sha256)
        buffer.put(UInt8(upsert ? 1 : 0))
        buffer.put(metadata)
        buffer.put(expiresIn.map { Int(clamping: $0.components.seconds) } ?? -1)
    }

    fileprivate init(_ payload: inout ByteBuffer) throws(FrameProblem) {
        let bucket = try payload.takeText()
        let place: Place =
            try payload.takeFlag()
            ? .folder(try payload.takeText(), name: try payload.takeText()) : .path(try payload.takeText())
        self.init(
            bucket: bucket, place: place, contentType: try payload.takeText(), size: try payload.takeInt(),
            sha256: try payload.takeOptionalText(), upsert: try payload.takeFlag(), metadata: try payload.takeOptionalText())
        let seconds = try payload.takeInt()
        guard seconds >= -1 else { throw .malformed }
        expiresIn = seconds < 0 ? nil : .seconds(seconds)
    }
}

extension StorageTold {
    func write(to buffer: inout ByteBuffer) {
        switch self {
        case .uploads(let results):
            buffer.put(UInt8(1))
            StorageTold.write(results, to: &buffer) { upload, buffer in
                buffer.put(upload.bucket)
                buffer.put(upload.path)
                buffer.put(upload.url)
                buffer.put(upload.token)
                buffer.put(upload.method)
                StorageTold.write(upload.headers, to: &buffer)
                StorageTold.write(upload.fields, to: &buffer)
                buffer.put(UInt64(bitPattern: upload.expiresAt))
            }
        case .downloads(let results):
            buffer.put(UInt8(2))
            StorageTold.write(results, to: &buffer) { link, buffer in
                buffer.put(link.path)
                buffer.put(link.url)
                buffer.put(UInt64(bitPattern: link.expiresAt))
            }
        case .objects(let objects):
            buffer.put(UInt8(3))
            buffer.put(UInt16(clamping: objects.count))
            for object in objects { object.write(to: &buffer) }
        case .removed(let paths):
            buffer.put(UInt8(4))
            buffer.put(paths)
        }
    }

    private static func write<Value>(
        _ results: [Result<Value, HTTPError>], to buffer: inout ByteBuffer, _ value: (Value, inout ByteBuffer) -> Void
    ) {
        buffer.put(UInt16(clamping: results.count))
        for result in results {
            switch result {
            case .success(let success):
                buffer.put(UInt8(1))
                value(success, &buffer)
            case .failure(let error):
                buffer.put(UInt8(0))
                var failure = ByteBuffer()
                ResponseFrame.writeFailure(error, to: &failure)
                buffer.put(UInt32(clamping: failure.readableBytes))
                buffer.writeBuffer(&failure)
            }
        }
    }

    private static func write(_ fields: [SignedUpload.Field], to buffer: inout ByteBuffer) {
        buffer.put(UInt16(clamping: fields.count))
        for field in fields {
            buffer.put(field.name)
            buffer.put(field.value)
        }
    }

    init(_ payload: inout ByteBuffer) throws(FrameProblem) {
        switch try payload.takeByte() {
        case 1:
            self = .uploads(
                try StorageTold.read(&payload) { payload throws(FrameProblem) in
                    SignedUpload(
                        bucket: try payload.takeText(), path: try payload.takeText(), url: try payload.takeText(),
                        token: try payload.takeOptionalText(), method: try payload.takeText(),
                        headers: try StorageTold.readFields(&payload), fields: try StorageTold.readFields(&payload),
                        expiresAt: Int64(bitPattern: try payload.take64()))
                })
        case 2:
            self = .downloads(
                try StorageTold.read(&payload) { payload throws(FrameProblem) in
                    SignedDownload(
                        path: try payload.takeText(), url: try payload.takeText(),
                        expiresAt: Int64(bitPattern: try payload.take64()))
                })
        case 3:
            var objects: [StoredObject] = []
            for _ in 0..<(try payload.take16()) { objects.append(try StoredObject(&payload)) }
            self = .objects(objects)
        case 4: self = .removed(try payload.takeTexts(upTo: StorageAccess.batch))
        default: throw .malformed
        }
    }

    private static func read<Value>(
        _ payload: inout ByteBuffer, _ value: (inout ByteBuffer) throws(FrameProblem) -> Value
    ) throws(FrameProblem) -> [Result<Value, HTTPError>] {
        var results: [Result<Value, HTTPError>] = []
        for _ in 0..<(try payload.takeCount(upTo: StorageAccess.batch)) {
            if try payload.takeFlag() {
                results.append(.success(try value(&payload)))
            } else {
                let length = Int(try payload.take32())
                guard let failure = payload.readSlice(length: length) else { throw .short }
                results.append(.failure(try ResponseFrame.readFailure(failure)))
            }
        }
        return results
    }

    private static func readFields(_ payload: inout ByteBuffer) throws(FrameProblem) -> [SignedUpload.Field] {
        var fields: [SignedUpload.Field] = []
        for _ in 0..<(try payload.take16()) { fields.append(.init(try payload.takeText(), try payload.takeText())) }
        return fields
    }
}

extension StoredObject {
    fileprivate func write(to buffer: inout ByteBuffer) {
        buffer.put(id)
        buffer.put(path)
        buffer.put(name)
        buffer.put(UInt8(isFolder ? 1 : 0))
        buffer.put(size)
        buffer.put(contentType)
        buffer.put(etag)
        buffer.put(UInt64(bitPattern: createdAt))
        buffer.put(UInt64(bitPattern: updatedAt))
        buffer.put(metadata)
    }

    fileprivate init(_ payload: inout ByteBuffer) throws(FrameProblem) {
        self.init(
            id: try payload.takeText(), path: try payload.takeText(), name: try payload.takeText(),
            isFolder: try payload.takeFlag(), size: try payload.takeInt(), contentType: try payload.takeText(),
            etag: try payload.takeText(), createdAt: Int64(bitPattern: try payload.take64()),
            updatedAt: Int64(bitPattern: try payload.take64()), metadata: try payload.takeOptionalText())
    }
}
