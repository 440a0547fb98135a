# frozen_string_literal: true

module Hijack
  # Who is in a broadcaster: counts joins and leaves, and has the program's blocks called. Only the thread that takes
  # events changes it.
  # @api private
  class Presence
    RECORD = 'Ql'
    RECORD_BYTES = 16
    JOINED = 1
    # Ends that nobody needs to hear a reason of: as the program asked, and by the client.
    ENDS = [C::OK, C::ECLOSED].freeze
    private_constant :RECORD, :RECORD_BYTES, :JOINED, :ENDS

    # @return [Proc, nil]
    attr_writer :on_join, :on_leave

    # @param queue [EventQueue]
    # @param broadcaster [Broadcaster] whose blocks they are
    def initialize(queue, broadcaster)
      @queue = queue
      @broadcaster = broadcaster
      @lock = Mutex.new # guards the numbers; no block runs under it
      @members = {}
    end

    # @return [Hash{Integer => Integer}]
    def members
      @lock.synchronize { @members.dup }
    end

    # Counts one after the other, each before its block is called. Where a block ends the thread, the rest is done
    # nevertheless.
    # @param records [String] as those of the event
    def take(records, at = 0)
      while at < records.bytesize
        user, reason = records.unpack(RECORD, offset: at)
        at += RECORD_BYTES
        reason == JOINED ? joined(user) : left(user, reason)
      end
    ensure
      take(records, at) if at < records.bytesize
    end

    private

    def joined(user)
      @lock.synchronize { @members[user] = @members.fetch(user, 0) + 1 }
      tell(@on_join, user)
    end

    def left(user, reason)
      @lock.synchronize do
        rest = @members.fetch(user, 0) - 1
        rest.positive? ? @members[user] = rest : @members.delete(user)
      end
      tell(@on_leave, user, (Error.for(reason, 'left') unless ENDS.include?(reason)))
    end

    def tell(block, *facts)
      @queue.guard(@broadcaster) { block.call(*facts) } if block
    end
  end
end
